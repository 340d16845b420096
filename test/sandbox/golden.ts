import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Fails unless a text is the one that is kept in `test/golden/NAME.txt`. With UPDATE_GOLDEN=1 it is kept anew: look at
 * the difference before you commit it.
 */
export function assertGolden(name: string, text: string): void {
  const file = fileURLToPath(new URL(`../golden/${name}.txt`, import.meta.url))
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  assert.equal(text, readFileSync(file, 'utf8'), `test/golden/${name}.txt; if this is meant to be: UPDATE_GOLDEN=1`)
}

/** The widths that each human form is kept at. */
export const GOLDEN_WIDTHS = [80, 120] as const
