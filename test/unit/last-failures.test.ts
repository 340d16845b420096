import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { LastFailures } from '../../src/daemon/last-failures.js'
import { DatabaseError, type DatabaseConnection } from '../../src/hostmaster/connection.js'
import type { RunOutcome, RunRecord } from '../../src/runner/run-record.js'
import type { RunStore } from '../../src/runner/run-store.js'

let records: Map<string, RunRecord>
let read: string[]
/** Whether there are no descriptors to open anything with. */
let isShort: boolean
let failures: LastFailures

beforeEach(() => {
  records = new Map()
  read = []
  isShort = false
  failures = new LastFailures({
    historyNames: () => {
      if (isShort) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
      return [...records.keys()]
    },
    readHistory: (run: string) => {
      read.push(run)
      return records.get(run) ?? { run, reason: 'gone' }
    },
  } as unknown as RunStore)
})

/** A settled run that ended at so many milliseconds. */
function record(nid: number, outcome: RunOutcome, at: number): RunRecord {
  const run = `run-${nid}`
  const of = { version: 1, nid, run, type: 'verify', object: 'a.example.com', outcome }
  const made = { ...of, started_at: at - 500, ended_at: at, planned_at: at - 600 } as unknown as RunRecord
  records.set(run, made)
  return made
}

/** Answers that the first error in each task's log is this. */
const answering = (error: string | null) =>
  ({ rows: () => Promise.resolve([{ status: 2, executed: 1, delta: 1, error }]) }) as unknown as DatabaseConnection

const failing = (kind: 'lost' | 'unavailable') =>
  ({
    rows: () => Promise.reject(new DatabaseError({ kind, code: 'X', message: 'x' }, undefined)),
  }) as unknown as DatabaseConnection

const nids = () => failures.list().map(({ nid }) => nid)

describe('the last failures', () => {
  test('are those of earlier daemons and of this one, the latest five, newest first', () => {
    for (let nid = 1; nid <= 4; nid += 1) record(nid, nid === 2 ? 'success' : 'error', nid * 1000)
    assert.deepEqual(nids(), [], 'who has never led asks for none')
    failures.recallAnew()
    assert.deepEqual(nids(), [4, 3, 1])
    for (let nid = 5; nid <= 7; nid += 1) failures.note(record(nid, 'error', nid * 1000), false)
    assert.deepEqual(nids(), [7, 6, 5, 4, 3])
    assert.deepEqual(failures.list()[0], {
      nid: 7,
      type: 'verify',
      object: 'a.example.com',
      run: 'run-7',
      at: 7000,
      duration_ms: 500,
      reason: null,
    })
  })

  test('are looked for again where the records could not be read', () => {
    record(1, 'error', 1000)
    failures.recallAnew()
    isShort = true
    assert.deepEqual(nids(), [])
    isShort = false
    assert.deepEqual(nids(), [1])
  })

  test('are not what ended otherwise, but are what was given up', () => {
    const others: RunOutcome[] = ['success', 'warning', 'outage', 'not started', 'taken elsewhere', 'vanished']
    for (const [index, outcome] of others.entries()) failures.note(record(index, outcome, index), false)
    assert.deepEqual(nids(), [])
    failures.note(record(9, 'not started', 9), true)
    assert.deepEqual(nids(), [9])
  })

  test('are looked for when they are wanted, in some hundred records at most, and in no more once five are known', () => {
    for (let nid = 1; nid <= 1000; nid += 1) record(nid, 'success', nid)
    failures.recallAnew()
    assert.equal(read.length, 0)
    assert.deepEqual(nids(), [])
    assert.equal(read.length, 200)
    assert.deepEqual(nids(), [])
    assert.equal(read.length, 200)
    read = []
    for (let nid = 1001; nid <= 1010; nid += 1) record(nid, 'error', nid)
    failures.recallAnew()
    assert.deepEqual(nids(), [1010, 1009, 1008, 1007, 1006])
    assert.equal(read.length, 5)
  })

  test('get their reasons one by one, without secrets and control characters, and keep them', async () => {
    failures.note(record(1, 'error', 1), false)
    failures.note(record(2, 'error', 2), false)
    const reasons = () => failures.list().map(({ reason }) => reason)
    await failures.step(answering('see http://a.example.com/user/reset/1/2/abc\u001b[31m'))
    assert.deepEqual(reasons(), ['see http://a.example.com/user/reset/…', null])
    await failures.step(answering(null))
    await failures.step(answering('not asked for again'))
    failures.recallAnew()
    await failures.step(answering('nor after a reconnect'))
    assert.deepEqual(reasons(), ['see http://a.example.com/user/reset/…', null])
  })

  test('go without a reason where the statement fails; the loss of the connection is told', async () => {
    failures.note(record(1, 'error', 1), false)
    await assert.rejects(failures.step(failing('lost')), DatabaseError)
    await failures.step(failing('unavailable'))
    await failures.step(answering('too late'))
    assert.equal(failures.list()[0]?.reason, null)
  })
})
