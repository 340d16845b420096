import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

/** An import that the design does not allow, and the rule that is to catch it. */
const VIOLATIONS: { from: string; text: string; rule: string }[] = [
  {
    from: 'config/schema.ts',
    text: "import { d } from '../daemon/daemon.js'; export const c = d",
    rule: 'config-imports-no-other-room',
  },
  {
    from: 'hostmaster/queue.ts',
    text: "import { r } from '../runner/run.js'; export const h = r",
    rule: 'middle-rooms-import-only-config',
  },
  {
    from: 'daemon/daemon.ts',
    text: "import { v } from '../cli/verb.js'; export const d = v",
    rule: 'daemon-does-not-import-cli',
  },
  {
    from: 'scheduler/plan.ts',
    text: "import { h } from '../hostmaster/queue.js'; export const p = h",
    rule: 'scheduler-is-pure',
  },
  {
    from: 'scheduler/clock.ts',
    text: "import { readFileSync } from 'node:fs'; export const r = readFileSync",
    rule: 'scheduler-does-no-io',
  },
  {
    from: 'runner/run.ts',
    text: "import { createConnection } from 'mysql2/promise'; export const r = createConnection",
    rule: 'driver-only-in-hostmaster',
  },
  { from: 'cli/verb.ts', text: 'export const v = 1', rule: '' },
  {
    from: 'main.ts',
    text: "import { d } from './daemon/daemon.js'; export const m = d",
    rule: 'main-starts-the-command-line-and-nothing-else',
  },
  { from: 'observe/log.ts', text: "import { n } from './nothing.js'; export const l = n", rule: 'no-unresolvable' },
]

describe('npm run check:imports', { timeout: 120_000 }, () => {
  let project: string
  let said: { status: number | null; stdout: string }

  before(() => {
    project = mkdtempSync(join(tmpdir(), 'skynet-imports-'))
    for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
      copyFileSync(join(CHECKOUT, name), join(project, name))
    }
    symlinkSync(join(CHECKOUT, 'node_modules'), join(project, 'node_modules'))
    for (const { from, text } of VIOLATIONS) {
      mkdirSync(dirname(join(project, 'src', from)), { recursive: true })
      writeFileSync(join(project, 'src', from), `${text}\n`)
    }
    said = spawnSync('npm', ['run', '--silent', 'check:imports'], { cwd: project, encoding: 'utf8' })
  })
  after(() => rmSync(project, { recursive: true, force: true }))

  test('fails when an import goes the wrong way', () => {
    assert.notEqual(said.status, 0, said.stdout)
  })

  for (const { from, rule } of VIOLATIONS.filter((violation) => violation.rule !== '')) {
    test(`names src/${from} and the rule ${rule}`, () => {
      assert.match(said.stdout, new RegExp(`error ${rule}: src/${from.replaceAll('.', '\\.')}`))
    })
  }
})
