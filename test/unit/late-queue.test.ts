import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import pino from 'pino'
import { LateQueue, oldestOf } from '../../src/daemon/late-queue.js'
import type { Task } from '../../src/hostmaster/task.js'
import type { DaemonEvent } from '../../src/observe/event.js'

const task = (nid: number, changed: number): Task => ({
  nid,
  vid: nid + 1,
  type: 'verify',
  rid: 5,
  changed,
  object: `site${nid}\u001b[31m`,
})

function lateQueue(limit: number) {
  const told: DaemonEvent[] = []
  const lines: { level: number; msg: string; nid?: number }[] = []
  const queue = new LateQueue({
    logger: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0]) }),
    tell: (event) => told.push(event),
    limit: () => limit,
    why: (nid) => `why ${nid}`,
  })
  return { told, lines, queue }
}

describe('a late queue', () => {
  test('is told once when it begins, with the oldest task and its reason, and once when it ends', () => {
    const { told, lines, queue } = lateQueue(60_000)
    const tasks = [task(2, 100), task(1, 90), task(3, 110)]
    const look = (now: number, waiting = tasks) => queue.look(() => waiting, now, now)
    look(150_000)
    assert.deepEqual(told, [])
    look(156_000)
    look(170_000)
    assert.deepEqual(told, [
      {
        kind: 'queue late',
        waiting: 3,
        oldest: { nid: 1, type: 'verify', object: 'site1' },
        age: 66_000,
        reason: 'why 1',
      },
    ])
    // The oldest has gone, another one is as late by now.
    look(180_000, [task(2, 100)])
    assert.equal(told.length, 1)
    look(190_000, [task(4, 180)])
    assert.deepEqual(told[1], { kind: 'queue in time', waiting: 1 })
    assert.deepEqual(
      lines.map(({ level }) => level),
      [40, 30],
    )
  })

  test('is looked at every five seconds, not with every turn', () => {
    const { queue } = lateQueue(1_000)
    let looks = 0
    for (let now = 0; now <= 10_000; now += 50) queue.look(() => (looks++, []), now, now)
    assert.equal(looks, 3)
  })

  test('has an oldest task, or none', () => {
    assert.equal(oldestOf([]), undefined)
    assert.equal(oldestOf([task(2, 100), task(1, 90)])?.nid, 1)
  })
})
