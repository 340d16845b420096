import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { SCENARIOS } from '../chaos/scenarios.js'

const INTEGRATION = new URL('../integration/', import.meta.url)

/** How often the long run must make each fault happen at least. */
const AT_LEAST: Record<string, number> = {
  'daemon-killed': 200,
  'drush-killed': 100,
  'database-restarted': 50,
  'connection-stalled': 20,
  'leader-connection-dies': 20,
  'several-daemons': 60,
  'lock-row': 30,
  // Five errors, before and after; each for every statement.
  'database-errors': 10,
  galera: 10,
  // Five writes.
  'disk-read-only': 5,
  'disk-full': 5,
  'configuration-abused': 100,
  'records-damaged': 50,
  'clock-jumps': 10,
  // Each kind.
  'nasty-tasks': 7,
  'signal-storm': 500,
  'adversarial-rows': 17,
  soak: 10_000,
  'readers-fuzzed': 1_000_000,
}

test('every fault is made to happen often enough in the long run', () => {
  for (const { name, times } of SCENARIOS) {
    assert.ok(times.long >= (AT_LEAST[name] ?? Infinity), `${name}: ${times.long}`)
  }
  assert.deepEqual(SCENARIOS.map(({ name }) => name).sort(), Object.keys(AT_LEAST).sort())
})

test('every scenario has a short form among the tests', () => {
  const files = readdirSync(INTEGRATION).filter((name) => name.startsWith('chaos-'))
  const tests = files.map((name) => readFileSync(new URL(name, INTEGRATION), 'utf8')).join('\n')
  for (const { name, shortForm } of SCENARIOS) {
    if (shortForm === undefined) assert.ok(tests.includes(`'${name}'`), name)
    else assert.ok(existsSync(new URL(`../../${shortForm}`, import.meta.url)), name)
  }
})
