import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonEvent } from '../../src/observe/event.js'
import { notificationOf } from '../../src/observe/notification.js'

const task = { nid: 130, vid: 135, type: 'verify', object: 'shop.example.com', run: '20261120T224608123Z-130-135' }
const settled = { kind: 'task settled', task, givenUp: false, duration: 754_000, exitCode: 1, signal: null } as const

const TOLD: [DaemonEvent, event: string, message: string][] = [
  [
    { ...settled, outcome: 'error' },
    'task_failed',
    'Task 130 (verify of shop.example.com) failed after 13 min. See: skynet show 130',
  ],
  [
    { ...settled, outcome: 'not started', givenUp: true },
    'task_failed',
    'Task 130 (verify of shop.example.com) was given up: drush was started for it again and again and never began it.',
  ],
  [
    { kind: 'task parked', task, attempt: 2, until: 1_700_000_000_000, reason: 'drush exited with status 1' },
    'task_parked',
    'Task 130 (verify of shop.example.com) is parked until 2023-11-14T22:13:20.000Z: drush exited with status 1 (attempt 2).',
  ],
  [
    { kind: 'task overlong', task: { ...task, type: '', object: '' }, age: 7_500_000, usual: 45_000 },
    'task_overlong',
    'Task 130 (of no type) has been running for 2 h 5 min; of 20 tasks of this type, 19 take at most 45 s. It goes on; see whether it hangs.',
  ],
  [{ kind: 'leadership changed', leads: true, reason: null }, 'leadership_changed', 'This daemon leads now.'],
  [
    { kind: 'leadership changed', leads: false, reason: 'another daemon leads' },
    'leadership_changed',
    'This daemon does not lead any more: another daemon leads.',
  ],
  [
    { kind: 'database lost', error: 'The server closed the connection.' },
    'database_lost',
    'The database is not usable; nothing is started until it is: The server closed the connection.',
  ],
  [{ kind: 'database back', duration: 30_000 }, 'database_back', 'The database is usable again, after 30 s.'],
  [
    {
      kind: 'queue late',
      waiting: 1,
      oldest: { nid: 7, type: 'clone', object: 'a.example.com' },
      age: 3_600_000,
      reason: 'The queue is paused by Aegir.',
    },
    'queue_late',
    'Task 7 (clone of a.example.com) has been waiting for 60 min, the longest of 1 waiting task. The queue is paused by Aegir.',
  ],
  [{ kind: 'queue in time', waiting: 0 }, 'queue_in_time', 'No task has been waiting for too long any more.'],
]

for (const [event, name, message] of TOLD) {
  test(`${event.kind} is told as ${name}`, () => {
    const notification = notificationOf(event)
    assert.equal(notification?.event, name)
    assert.equal(notification.message, message)
    if ('task' in event) assert.deepEqual(notification.details['task'], event.task)
  })
}

test('of what goes well nobody is told', () => {
  assert.equal(notificationOf({ kind: 'polled', duration: 1 }), undefined)
  assert.equal(notificationOf({ kind: 'task started', task, waited: 1 }), undefined)
  for (const outcome of ['success', 'warning', 'not started', 'outage', 'withdrawn', 'taken elsewhere', 'vanished']) {
    assert.equal(notificationOf({ ...settled, outcome }), undefined, outcome)
  }
})
