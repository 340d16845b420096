import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pruneRuns } from '../../src/daemon/prune-runs.js'
import { RunPruner } from '../../src/daemon/run-pruner.js'
import { runName, type RunRecord } from '../../src/runner/run-record.js'
import { RunStore } from '../../src/runner/run-store.js'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR
const NOW = Date.parse('2026-11-20T12:00:00Z')
const LIMITS = { keep: 14 * DAY, keepBytes: 1024 ** 3 }

let dir: string
let store: RunStore

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skynet-prune-'))
  store = new RunStore(dir)
})
afterEach(() => rmSync(dir, { recursive: true }))

interface Spec {
  /** Milliseconds between its end and now. */
  age: number
  type?: string
  state?: RunRecord['state']
  bytes?: number
  /** Milliseconds that it lasted. */
  lasted?: number
}

let nid = 0

function run({ age, type = 'verify', state = 'settled', bytes = 100, lasted = 1000 }: Spec): string {
  nid += 1
  const planned = NOW - age - lasted
  const self = { machine: 'm', boot: 'b', pid: 1, started: 1 }
  const isOver = state === 'settled' || state === 'ended'
  const record: RunRecord = {
    version: 1,
    run: runName({ nid, vid: nid }, planned),
    nid,
    vid: nid,
    type,
    rid: 1,
    object: 'o',
    footprint: null,
    state,
    owner: self,
    child: self,
    planned_at: planned,
    started_at: planned,
    ended_at: isOver ? NOW - age : null,
    settled_at: state === 'settled' ? NOW - age : null,
    timed_out: false,
    exit: null,
    outcome: state === 'settled' ? 'success' : null,
  }
  store.create(record)
  writeFileSync(store.outputFile(record.run), 'x'.repeat(bytes))
  if (state === 'settled') store.moveToHistory(record.run)
  return record.run
}

const settled = () => readdirSync(join(dir, 'history')).sort()

test('settled runs go when they ended longer ago than keep, counted from the end and not from the start', () => {
  const old = run({ age: 14 * DAY + HOUR })
  const long = run({ age: 13 * DAY, lasted: 5 * DAY })
  const recent = run({ age: HOUR })
  assert.equal(pruneRuns(store, LIMITS, NOW), 1)
  assert.deepEqual(settled(), [long, recent].sort())
  assert.ok(!settled().includes(old))
  assert.equal(pruneRuns(store, LIMITS, NOW), 0)
})

test('beyond keep_bytes the oldest go first, and only as many as must', () => {
  const runs = [5, 4, 3, 2, 1].map((hours) => run({ age: hours * HOUR, bytes: 100_000 }))
  assert.equal(pruneRuns(store, { ...LIMITS, keepBytes: 320_000 }, NOW), 2)
  assert.deepEqual(settled(), runs.slice(2).sort())
})

test('a run that is not settled is never removed, however old or large', () => {
  const states = ['starting', 'running', 'orphaned', 'ended'] as const
  const runs = states.map((state) => run({ age: 400 * DAY, state, bytes: 10_000 }))
  assert.equal(pruneRuns(store, { keep: HOUR, keepBytes: 1 }, NOW), 0)
  for (const name of runs) assert.ok(existsSync(store.outputFile(name)))
})

test('the output of login-reset and install is deleted a day after the end, their records stay; others keep theirs', () => {
  const gone = ['login-reset', 'install'].map((type) => run({ age: DAY + HOUR, type }))
  const kept = [
    run({ age: DAY + HOUR, type: 'verify' }),
    run({ age: DAY - HOUR, type: 'login-reset' }),
    run({ age: DAY - HOUR, type: 'install', lasted: 3 * HOUR }),
  ]
  assert.equal(pruneRuns(store, LIMITS, NOW), 0)
  assert.deepEqual(settled(), [...gone, ...kept].sort())
  for (const name of gone) assert.ok(!existsSync(store.settledOutputFile(name)), name)
  for (const name of kept) assert.ok(existsSync(store.settledOutputFile(name)), name)
})

test('a settled record that cannot be read goes by the age that its name tells; a name that tells none, at once', () => {
  const recent = run({ age: DAY * 2 })
  const old = run({ age: DAY * 20 })
  for (const name of [recent, old]) writeFileSync(join(dir, 'history', name, 'record.json'), '{"version":')
  assert.equal(pruneRuns(store, LIMITS, NOW), 1)
  assert.deepEqual(settled(), [recent])
})

test('an empty or missing history is no fault', () => {
  assert.equal(pruneRuns(store, LIMITS, NOW), 0)
  rmSync(join(dir, 'history'), { recursive: true })
  assert.equal(pruneRuns(store, LIMITS, NOW), 0)
})

test('records that cannot be removed are kept, which is said once, and removed at a later look', () => {
  const old = run({ age: 15 * DAY })
  const [warnings, looks] = [[] as string[], store.historyNames.bind(store)]
  let [isShort, minutes] = [true, 0]
  store.historyNames = () => {
    if (isShort) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    return looks()
  }
  const pruner = new RunPruner({
    store,
    clock: { now: () => NOW, monotonic: () => minutes * 60_000, pause: () => Promise.resolve() },
    logger: { warn: (_fields: unknown, message: string) => warnings.push(message), debug: () => undefined } as never,
    limits: () => ({ keep: LIMITS.keep, keep_bytes: LIMITS.keepBytes }),
  })
  for (const at of [0, 10, 20]) {
    minutes = at
    pruner.pruneWhenDue()
  }
  assert.deepEqual(warnings, ['old records cannot be removed; that is tried again later'])
  assert.deepEqual(looks(), [old])
  isShort = false
  minutes = 30
  pruner.pruneWhenDue()
  assert.deepEqual(looks(), [])
})
