import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/**
 * Fails unless the text is that of `test/golden/NAME.txt`. With UPDATE_GOLDEN=1 the file is written instead: look at
 * what git then says has changed.
 */
export function assertGolden(name: string, text: string): void {
  const file = new URL(`../golden/${name}.txt`, import.meta.url)
  if (process.env['UPDATE_GOLDEN']) writeFileSync(file, text)
  assert.ok(existsSync(file), `There is no test/golden/${name}.txt; UPDATE_GOLDEN=1 writes it.`)
  assert.equal(text, readFileSync(file, 'utf8'))
}
