import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts, MAX_ATTEMPTS, RECALL, earlierRuns } from '../../src/daemon/attempts.js'
import { runName } from '../../src/runner/run-record.js'
import type { RunStore } from '../../src/runner/run-store.js'

const MINUTE = 60_000
const task = { nid: 7, vid: 70 }

test('the waits are 30 s, 2 min, 10 min, then an hour, and the fifth attempt is the last', () => {
  const attempts = new Attempts()
  const waits: (number | undefined)[] = []
  let now = 1_000_000
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const parked = attempts.count(task, 'why', now)
    waits.push(parked && parked.until - now)
    now = parked?.until ?? now
  }
  assert.deepEqual(waits, [MINUTE / 2, 2 * MINUTE, 10 * MINUTE, 60 * MINUTE, undefined])
  assert.equal(MAX_ATTEMPTS, 5)
  assert.equal(attempts.parked(7), undefined)
  assert.ok(now - 1_000_000 < RECALL, 'all of them are recalled after a restart')
})

test('a task that is queued anew, under another vid, begins anew', () => {
  const attempts = new Attempts()
  attempts.count(task, 'why', 0)
  attempts.count(task, 'why', 0)
  assert.equal(attempts.parked(7)?.attempts, 2)
  assert.equal(attempts.count({ nid: 7, vid: 71 }, 'why', 0)?.attempts, 1)
})

test('attempts are those of one task, and forgotten when it got through or no longer waits', () => {
  const attempts = new Attempts()
  attempts.count(task, 'why', 0)
  attempts.count({ nid: 8, vid: 80 }, 'why', 0)
  attempts.count({ nid: 9, vid: 90 }, 'why', 0)
  attempts.forget(8)
  attempts.keepOnly(new Map([[7, { vid: 70 }], [9, { vid: 91 }]]), 0) // prettier-ignore
  assert.deepEqual(
    attempts.list().map(({ nid }) => nid),
    [7],
  )
})

test('after a restart the attempts of earlier daemons are recalled: outages do not count, and a success forgets', () => {
  const attempts = new Attempts()
  attempts.count({ nid: 1, vid: 10 }, 'of before', 0)
  const run = (nid: number, outcome: string, settled_at: number) => ({ nid, vid: nid * 10, outcome, settled_at })
  attempts.recall([
    run(7, 'not started', 1_000),
    run(8, 'not started', 1_500),
    run(7, 'outage', 2_000),
    run(8, 'success', 2_500),
    run(7, 'not started', 40_000),
  ])
  assert.deepEqual(attempts.list(), [
    { nid: 7, vid: 70, attempts: 2, until: 40_000 + 2 * MINUTE, reason: 'drush did not begin it' },
  ])
})

test('of thousands of settled runs only those of what still waits are read', () => {
  const now = Date.UTC(2026, 0, 2)
  const name = (nid: number, vid: number, at: number) => runName({ nid, vid }, at)
  const wanted = [name(7, 70, now - 2 * MINUTE), name(7, 70, now - MINUTE)]
  const others = [name(7, 70, now - RECALL - MINUTE), name(7, 69, now - MINUTE), name(8, 80, now - MINUTE), 'garbage']
  const read: string[] = []
  const store = {
    historyNames: () => [...others, ...wanted].sort(),
    readHistory: (run: string) => {
      read.push(run)
      return run === wanted[0] ? { run, reason: 'cut off' } : { version: 1, run }
    },
  } as unknown as RunStore
  const runs = earlierRuns(store, new Map([[7, { vid: 70 }]]), now)
  assert.deepEqual(read, wanted)
  assert.deepEqual(
    runs.map(({ run }) => run),
    [wanted[1]],
  )
  assert.deepEqual(earlierRuns(store, new Map(), now), [])
  assert.equal(read.length, 2)
})

test('a clock that is set back makes no wait longer than it was meant to be', () => {
  const attempts = new Attempts()
  attempts.count(task, 'why', 10 * 60 * MINUTE)
  const waiting = new Map([[7, { vid: 70 }]])
  attempts.keepOnly(waiting, MINUTE)
  assert.equal(attempts.parked(7)?.until, MINUTE + MINUTE / 2)
  attempts.keepOnly(waiting, MINUTE + 1_000)
  assert.equal(attempts.parked(7)?.until, MINUTE + MINUTE / 2, 'and the wait goes on')
})
