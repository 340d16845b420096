import { queueTasks } from '../sandbox/bulk-tasks.js'
import { wake } from '../sandbox/demo-wake.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { PATIENCE_MS, awakeLeader, clock, configureBench, whileFrozen, type Bench } from './bench-sandbox.js'
import { cpuMs } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, quantile, range, seen, type Figure } from './figure.js'
import { daemonPhp, eachSecond, floor } from './peers.js'

/** What each task does at least, as drush's work. */
const TASK_MS = 50
const SLOTS = 4

/**
 * How fast a queue is drained, in pairs with the floor, so that a busy machine is as busy for both. All by one daemon, so
 * that in the pairs it has been at work before: V8 takes some hundreds of tasks to compile what runs often. While the floor is
 * measured it is frozen.
 */
export async function measureDrains(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox } = bench
  configureBench(sandbox, { concurrent_tasks: 1, poll_interval: '500ms' })
  const daemon = await awakeLeader(sandbox)
  const serial = await pairs(bench, daemon, { count: effort.serialTasks, slots: 1, pairs: effort.pairs })
  configureBench(sandbox, { concurrent_tasks: SLOTS, poll_interval: '500ms' })
  await waitForStatusOf(sandbox, `${SLOTS} slots`, ({ slots }) => slots === SLOTS)
  const parallel = await pairs(bench, daemon, { count: effort.parallelTasks, slots: SLOTS, pairs: effort.pairs })
  await stopDaemon(daemon)
  const figures = [
    atMost(`serial drain of ${effort.serialTasks} tasks of ${TASK_MS} ms ÷ floor`, quantile(serial.ratios), {
      most: 1.05,
      note: noteOf(serial),
    }),
    atMost(`${SLOTS} slots, ${effort.parallelTasks} tasks on distinct objects ÷ floor`, quantile(parallel.ratios), {
      most: 1.08,
      note: noteOf(parallel),
    }),
  ]
  if (effort.phpTasks === 0) return figures
  const perTask = quantile(serial.floors) / effort.serialTasks
  const second = await drain(bench, effort.serialTasks, (_nids, isDone) => eachSecond(bench.sandbox, isDone))
  const php = await drain(bench, effort.phpTasks, (_nids, isDone) => daemonPhp(bench.sandbox, isDone))
  return [
    ...figures,
    seen('the same serial drain by a daemon that has just started', serial.first / quantile(serial.floors), '', 'once'),
    seen('each-second: serial drain ÷ floor', second / effort.serialTasks / perTask, '', 'once'),
    seen('daemon-php: serial drain ÷ floor', php / effort.phpTasks / perTask, '', `${effort.phpTasks} tasks, once`),
  ]
}

interface Pairs {
  ratios: number[]
  floors: number[]
  /** Milliseconds of the daemon's processor a task. */
  cpu: number[]
  /** Milliseconds that the first drain took, which is in none of the pairs. */
  first: number
}

function noteOf({ ratios, floors, cpu }: Pairs): string {
  const seconds = quantile(floors) / 1000
  return `${ratios.length} pairs, ${range(ratios)}; floor ${seconds.toFixed(1)} s; daemon ${quantile(cpu).toFixed(1)} ms of CPU a task`
}

async function pairs(
  bench: Bench,
  daemon: DaemonProcess,
  { count, slots, pairs }: { count: number; slots: number; pairs: number },
): Promise<Pairs> {
  const { sandbox } = bench
  const withDaemon = () => drain(bench, count, () => wake(sandbox.home))
  const withFloor = () => whileFrozen(bench, daemon, () => drain(bench, count, (nids) => floor(sandbox, nids, slots)))
  const result: Pairs = { ratios: [], floors: [], cpu: [], first: await withDaemon() }
  for (let pair = 0; pair < pairs; pair++) {
    const early = pair % 2 === 0 ? await withFloor() : undefined
    const before = cpuMs(daemon.pid)
    const ms = await withDaemon()
    result.cpu.push((cpuMs(daemon.pid) - before) / count)
    const best = early ?? (await withFloor())
    result.ratios.push(ms / best)
    result.floors.push(best)
  }
  return result
}

/** Queues tasks on distinct sites. @returns milliseconds from the commit to the last end, by drush's own account. */
async function drain(
  { sandbox, world }: Bench,
  count: number,
  work: (nids: number[], isDone: () => boolean) => Promise<unknown>,
): Promise<number> {
  const specs = world.sites.slice(0, count).map((object) => {
    return { object, type: 'verify', arguments: { sandbox_ms: String(TASK_MS) } }
  })
  sandbox.folder.writeFile('journal', '')
  const tasks = await queueTasks(sandbox.hostmaster, specs)
  const committed = clock()
  let isDone = false
  const working = work(
    tasks.map(({ nid }) => nid),
    () => isDone,
  )
  const ends = () => sandbox.journalFile.of('end')
  const all = () => (isDone = ends().length >= count)
  await sandbox.waitFor(all, { what: `${count} ends`, timeoutMs: PATIENCE_MS, everyMs: 100 })
  await working
  return Math.max(...ends().map(({ time }) => time)) * 1000 - committed
}
