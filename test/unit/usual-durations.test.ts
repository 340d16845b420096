import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import pino from 'pino'
import { UsualDurations, readUsualDurations } from '../../src/daemon/usual-durations.js'
import { DatabaseError, type DatabaseConnection } from '../../src/hostmaster/connection.js'
import type { DurationCount } from '../../src/hostmaster/task-history.js'

const MINUTE = 60_000

/** A history in which the task of each vid took as many seconds as `secondsOf` says; it notes the ranges it is asked. */
function history(secondsOf: (vid: number) => number, fail?: () => DatabaseError | undefined) {
  const asked: [low: number, high: number][] = []
  const rows = (_statement: string, [low = 0, high = 0]: number[]): Promise<DurationCount[]> => {
    asked.push([low, high])
    const error = fail?.()
    if (error) return Promise.reject(error)
    const vids = Array.from({ length: high - low }, (_none, index) => low + index + 1)
    return Promise.resolve(vids.map((vid) => ({ type: 'verify', seconds: secondsOf(vid), count: 1 })))
  }
  return { asked, connection: { rows } as unknown as DatabaseConnection }
}

const durations = () => new UsualDurations(pino({ level: 'silent' }))

describe('usual durations', () => {
  test('are the median and the 95th percentile by nearest rank, of at least a second', async () => {
    const { connection } = history((vid) => vid - 1)
    const usual = durations()
    assert.equal(usual.usualDurations().size, 0)
    await usual.step(connection, 100, 0)
    assert.deepEqual(usual.usualDurations().get('verify'), { count: 100, median_ms: 49_000, p95_ms: 94_000 })
    const short = await readUsualDurations(history(() => 0).connection, 3)
    assert.deepEqual(short.get('verify'), { count: 3, median_ms: 1000, p95_ms: 1000 })
  })

  test('are read in steps from the latest vids, and again after ten minutes or on a new connection', async () => {
    const { asked, connection } = history(() => 1)
    const usual = durations()
    for (let turn = 0; turn < 20; turn += 1) await usual.step(connection, 60_000, turn)
    assert.deepEqual(
      asked.map(([low]) => low),
      Array.from({ length: 10 }, (_none, index) => 10_000 + index * 5_000),
    )
    assert.equal(usual.usualDurations().get('verify')?.count, 50_000)
    await usual.step(connection, 60_001, 10 * MINUTE)
    assert.equal(asked.length, 10, 'counted from the end of the reading')
    await usual.step(connection, 60_001, 11 * MINUTE)
    assert.equal(asked.length, 11)
    assert.equal(usual.usualDurations().get('verify')?.count, 50_000, 'the old figures stand until the new are whole')
    usual.reconnected()
    await usual.step(connection, 60_002, 11 * MINUTE)
    assert.deepEqual(asked.at(-1), [10_002, 15_002], 'from the beginning')
  })

  test('a fault of the statement is left for later, the loss of the connection is not', async () => {
    let kind: 'unavailable' | 'lost' = 'unavailable'
    const fail = () => new DatabaseError({ kind, code: 'X', message: 'x' }, undefined)
    const { asked, connection } = history(() => 1, fail)
    const usual = durations()
    await usual.step(connection, 10, 0)
    await usual.step(connection, 10, MINUTE)
    assert.equal(asked.length, 1)
    kind = 'lost'
    await assert.rejects(usual.step(connection, 10, 11 * MINUTE), DatabaseError)
  })
})
