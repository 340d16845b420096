import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { describeOutcome, lostPerTask, runQueue, shareOf } from '../sandbox/parallel-queue.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { buildWorld, mixedTasks, type World } from '../sandbox/world.js'

const SLOTS = 6

/** So many processes' worth of a busy machine's delay lie between an end and the next start: shell, daemon, shell. */
const DELAYS = 8

let sandbox: Sandbox
let world: World

before(async () => {
  sandbox = await Sandbox.create()
  world = await buildWorld(sandbox)
})
after(() => sandbox.close())

test('tasks of all types on six slots: nothing that may not overlap does, none is out of order, no slot stays idle', async (t) => {
  const tasks = mixedTasks(world, 80, { ms: 800, seed: 5 })
  const outcome = await runQueue(sandbox, world, tasks, { slots: SLOTS, timeoutMs: 120_000 })
  t.diagnostic(describeOutcome(outcome))
  assert.deepEqual(outcome.faults, [])
  assert.deepEqual(outcome.notExactlyOnce, [])
  // On a machine that is busy with other things a slot stays free for as long as that machine takes.
  assert.ok(shareOf(outcome.use) >= 0.95 || lostPerTask(outcome) < DELAYS * outcome.yardstick, describeOutcome(outcome))
})

test('the same with the daemon killed every two seconds: runs are adopted with their locks, nothing overlaps', async (t) => {
  const tasks = mixedTasks(world, 60, { ms: 300, seed: 6 })
  const outcome = await runQueue(sandbox, world, tasks, { slots: SLOTS, kill: true, timeoutMs: 120_000 })
  t.diagnostic(describeOutcome(outcome))
  assert.deepEqual(outcome.faults, [])
  assert.deepEqual(outcome.notExactlyOnce, [])
  assert.ok(outcome.kills > 0 && outcome.logs.some(({ msg }) => msg === 'run adopted'), 'there was something to adopt')
})
