import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { QueueMirror } from '../../src/daemon/queue-mirror.js'
import type { TaskRow } from '../../src/hostmaster/task-queries.js'

const MINUTE = 60_000

let mirror: QueueMirror

beforeEach(() => {
  mirror = new QueueMirror()
})

function row(nid: number, vid: number, status: number | null = 0): TaskRow {
  return { nid, vid, status, type: 'verify', rid: 1, changed: 0, object: '', arguments: {} }
}

function waiting(): [number, number][] {
  return [...mirror.waiting.values()].map(({ nid, vid }) => [nid, vid])
}

describe('the mirror', () => {
  test('holds what waits and what is processed, and nothing else', () => {
    for (const status of [0, -1, 1, 2, 3, null, 99]) mirror.put(row(10 + (status ?? 50), 1, status))
    assert.deepEqual([[...mirror.waiting.keys()], [...mirror.processing.keys()]], [[10], [9]])
  })

  test('knows one row of a task: the last that it was told', () => {
    mirror.put(row(1, 5))
    mirror.put(row(1, 6, -1))
    assert.deepEqual([waiting(), mirror.processing.get(1)?.vid], [[], 6])
    mirror.put(row(1, 6, 1))
    assert.deepEqual([mirror.waiting.size, mirror.processing.size], [0, 0])
  })

  test('takes a range for the whole truth about its vids, and leaves the others alone', () => {
    mirror.reset(100, 0)
    for (const vid of [10, 20, 21, 30, 31]) mirror.put(row(vid, vid))
    mirror.replaceRange(20, 30, [row(21, 21), row(25, 25)])
    assert.deepEqual(
      waiting()
        .map(([nid]) => nid)
        .sort((a, b) => a - b),
      [10, 20, 21, 25, 31],
    )
  })

  test('counts what waits within the window of vids that the database was asked about', () => {
    for (const vid of [10, 20, 30, 40]) mirror.put(row(vid, vid))
    mirror.put(row(25, 25, -1))
    assert.deepEqual(mirror.overlap(10, 30), { count: 2, sum: 50 })
    assert.deepEqual(mirror.overlap(0, 1_000), { count: 4, sum: 100 })
    assert.deepEqual(mirror.overlap(40, 40), { count: 0, sum: 0 })
  })
})

describe('the window that is looked at again', () => {
  test('is at least a thousand vids, and never below zero', () => {
    mirror.reset(5_000, 0)
    assert.equal(mirror.floor(0), 4_000)
    mirror.reset(400, 0)
    assert.equal(mirror.floor(0), 0)
  })

  test('holds the vids of the last ten minutes where those are more', () => {
    mirror.reset(5_000, 0)
    mirror.advance([], 9_000, 1 * MINUTE)
    mirror.advance([], 12_000, 9 * MINUTE)
    assert.equal(mirror.floor(9 * MINUTE), 5_000)
    assert.equal(mirror.floor(11 * MINUTE), 9_000, 'what was new more than ten minutes ago is left to the reconcile')
    assert.equal(mirror.floor(60 * MINUTE), 11_000)
  })

  test('stays that of the same minutes however often is polled', () => {
    mirror.reset(10_000, 0)
    for (let time = 0; time <= 20 * MINUTE; time += 500) mirror.advance([], 10_000 + time / 100, time)
    const floor = mirror.floor(20 * MINUTE)
    const tenMinutesAgo = 10_000 + (10 * MINUTE) / 100
    assert.ok(floor <= tenMinutesAgo && floor >= tenMinutesAgo - 300, `${floor} for ${tenMinutesAgo}`)
  })

  test('begins anew with another server or a restored database, and nothing of the old one is left', () => {
    mirror.reset(50_000, 0)
    mirror.put(row(1, 49_999))
    mirror.put(row(2, 49_998, -1))
    mirror.reset(300, MINUTE)
    assert.deepEqual([mirror.waiting.size, mirror.processing.size, mirror.mark, mirror.floor(MINUTE)], [0, 0, 300, 0])
  })

  test('is not moved back by a mark that is lower', () => {
    mirror.reset(5_000, 0)
    mirror.advance([], 4_000, 1)
    assert.equal(mirror.mark, 5_000)
  })
})
