/**
 * The long form of test/integration/parallel-world.test.ts: a thousand tasks of all types on six slots, once in peace
 * and once with the daemon killed every two seconds. Fails on anything that the independent checker finds.
 *
 *   npm run parallel -- [--tasks 1000] [--slots 6] [--ms 600] [--seed 1]
 */
import { parseArgs } from 'node:util'
import { describeOutcome, runQueue, shareOf } from '../sandbox/parallel-queue.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { buildWorld, mixedTasks } from '../sandbox/world.js'

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000' },
    slots: { type: 'string', default: '6' },
    /** About how long a task lasts; clone, migrate and restore twice as long. */
    ms: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
  },
})
const [count, slots, ms, seed] = [Number(values.tasks), Number(values.slots), Number(values.ms), Number(values.seed)]

for (const kill of [false, true]) {
  await using sandbox = await Sandbox.create()
  const world = await buildWorld(sandbox)
  const tasks = mixedTasks(world, count, { ms, seed })
  const outcome = await runQueue(sandbox, world, tasks, { slots, kill, timeoutMs: count * 10_000 })
  const { faults, notExactlyOnce, logs, use } = outcome
  const adopted = logs.filter(({ msg }) => msg === 'run adopted').length
  console.log(`${kill ? 'killed every 2 s' : 'in peace'}: ${describeOutcome(outcome)}; ${adopted} runs adopted`)
  console.log(
    `  forbidden overlaps, wrong orders and excesses: ${faults.length}; not exactly once: ${notExactlyOnce.length}`,
  )
  for (const fault of faults.slice(0, 5)) console.log(`  ${JSON.stringify(fault)}`)
  if (faults.length > 0 || notExactlyOnce.length > 0) process.exitCode = 1
  if (!kill && shareOf(use) < 0.95) {
    console.log('  less than 95 % of the possible use: is the machine idle otherwise?')
    process.exitCode = 1
  }
}
