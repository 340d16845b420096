import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OverlongRuns } from '../../src/daemon/overlong-runs.js'
import type { RunRecord } from '../../src/runner/run-record.js'

const MINUTE = 60_000

const run = (name: string, started_at: number | null, type = 'verify') =>
  ({ run: name, type, started_at }) as unknown as RunRecord

const usual = (p95_ms: number, count = 100) => new Map([['verify', { count, median_ms: p95_ms / 2, p95_ms }]])

describe('a run is overlong', () => {
  test('from three times the usual 95th percentile on, and that is told once', () => {
    const runs = new OverlongRuns()
    const at = (ms: number) => runs.look([run('a', 0)], usual(2 * MINUTE), ms, ms)
    assert.deepEqual(at(0), [])
    assert.deepEqual(at(6 * MINUTE - 1), [])
    assert.deepEqual(at(6 * MINUTE), [{ record: run('a', 0), age: 6 * MINUTE, usual: 2 * MINUTE }])
    assert.deepEqual(at(7 * MINUTE), [])
  })

  test('never in its first minute', () => {
    const runs = new OverlongRuns()
    assert.deepEqual(runs.look([run('a', 0)], usual(1_000), MINUTE - 1, 0), [])
    assert.equal(runs.look([run('a', 0)], usual(1_000), MINUTE, 1).length, 1)
  })

  test('only where enough is known of its type, and where it has a start', () => {
    const runs = new OverlongRuns()
    const look = (record: RunRecord, count: number) => runs.look([record], usual(1_000, count), 60 * MINUTE, 0)
    assert.deepEqual(look(run('a', 0), 4), [])
    assert.deepEqual(look(run('b', 0, 'clone'), 100), [])
    assert.deepEqual(look(run('c', null), 100), [])
    assert.equal(look(run('a', 0), 5).length, 1)
  })

  test('by a clock that does not jump, once its age is known', () => {
    const runs = new OverlongRuns()
    // Adopted a minute after its start; then somebody sets the clock a day ahead.
    assert.deepEqual(runs.look([run('a', 0)], usual(MINUTE), MINUTE, 0), [])
    assert.deepEqual(runs.look([run('a', 0)], usual(MINUTE), 24 * 60 * MINUTE, MINUTE), [])
    assert.equal(runs.look([run('a', 0)], usual(MINUTE), 0, 2 * MINUTE)[0]?.age, 3 * MINUTE)
  })
})
