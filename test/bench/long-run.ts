import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import { wake } from '../sandbox/demo-wake.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { stopDaemon } from '../sandbox/leader.js'
import type { Sandbox } from '../sandbox/sandbox.js'
import { PATIENCE_MS, awakeLeader, configureBench, isSettled, type Bench } from './bench-sandbox.js'
import { cpuMs, processesOfSession, residentMb, servedTo } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, seen, type Figure } from './figure.js'
import { LightDrush } from './light-drush.js'

/** As many as there are sites, so that none waits for another. */
const BATCH = 100
const SLOTS = 4

/** Bytes that all tasks together may leave: what they make run is compiled bit by bit. */
const HEAP_GROWTH = 2 ** 20

/** The daemon is asked to collect its garbage and to say what is left: no sample of a heap that breathes can tell. */
const PRELOAD = `import { writeFileSync } from 'node:fs'
process.on('SIGPWR', () => {
  gc()
  gc()
  const file = process.env.HOME + '/heap'
  writeFileSync(file, String(process.memoryUsage().heapUsed))
})
`

/** What tasks cost the daemon, and what they leave behind in it. */
export async function measureLongRun(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox } = bench
  // Polls would be so many a second, not so many a task: this daemon is woken, and does not poll.
  configureBench(sandbox, { poll_interval: '10m', concurrent_tasks: SLOTS })
  const drush = await LightDrush.start(sandbox)
  let processes = 0
  drush.onBegin = ({ pid }) => {
    // Now and then is enough; a look at all processes costs more than a task.
    if (drush.begun.length % 50 === 1) processes = Math.max(processes, processesOfSession(sessionOf(pid)))
  }
  const preload = sandbox.folder.writeFile('heap.mjs', PRELOAD)
  const daemon = await awakeLeader(sandbox, ['--expose-gc', '--import', preload])
  await delay(effort.restSeconds * 1000)
  const memoryBefore = residentMb(daemon.pid)
  const warmUp = Math.min(1_000, effort.longRunTasks)
  await run(bench, drush, warmUp)
  const [memory, heap] = [residentMb(daemon.pid), await heapOf(sandbox, daemon)]
  const [cpu, served] = [cpuMs(daemon.pid), await servedTo(sandbox.hostmaster)]
  const count = await run(bench, drush, effort.longRunTasks)
  const [cpuAfter, servedAfter] = [cpuMs(daemon.pid), await servedTo(sandbox.hostmaster)]
  const memoryAfter = residentMb(daemon.pid)
  await delay(effort.collectionSeconds * 1000)
  const memoryAtRest = residentMb(daemon.pid)
  const heapAfter = await heapOf(sandbox, daemon)
  await stopDaemon(daemon)
  drush.stop()
  return [
    atMost("CPU of the daemon a task, drush's excluded", (cpuAfter - cpu) / count, {
      most: 8,
      unit: ' ms',
      note: `${count} tasks, ${SLOTS} slots`,
    }),
    atMost('statements a task', (servedAfter.statements - served.statements) / count, { most: 6, isCount: true }),
    seen(
      'rows read a task',
      (servedAfter.rowsRead - served.rowsRead) / count,
      '',
      'most of them nodes saved in the last minute, among which each start looks for changed objects',
    ),
    atMost('processes a task', processes, { most: 2, isCount: true, note: "the run's shell and drush" }),
    atMost(`resident memory, idle again after ${warmUp + count} tasks ÷ idle before`, memoryAtRest / memoryBefore, {
      most: 1.05,
      note: `${memoryBefore.toFixed(1)} → ${memoryAtRest.toFixed(1)} MB; with all slots busy ${memory.toFixed(1)} MB after ${warmUp}, ${memoryAfter.toFixed(1)} MB in the end`,
    }),
    atMost('heap that a task leaves behind', Math.max(0, heapAfter - heap) / count, {
      most: HEAP_GROWTH / count,
      unit: ' bytes',
      isCount: true,
      note: `${(heap / 2 ** 20).toFixed(2)} → ${(heapAfter / 2 ** 20).toFixed(2)} MB, garbage collected; a megabyte in all may be compiled code`,
    }),
  ]
}

/** Queues tasks in batches and waits for each. @returns how many. */
async function run({ sandbox, world }: Bench, drush: LightDrush, least: number): Promise<number> {
  let count = 0
  while (count < least) {
    const before = drush.begun.length
    const objects = world.sites.slice(0, BATCH)
    const tasks = await queueTasks(
      sandbox.hostmaster,
      objects.map((object) => ({ object, type: 'flush_cache' })),
    )
    await wake(sandbox.home)
    const last = tasks.at(-1)?.nid ?? 0
    const isDone = async () => {
      if (drush.begun.length - before < tasks.length) return false
      return isSettled(sandbox)
    }
    await sandbox.waitFor(isDone, { what: `the end of ${last}`, timeoutMs: PATIENCE_MS, everyMs: 20 })
    count += tasks.length
    drush.begun.splice(0, before)
  }
  return count
}

function sessionOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3])
}

async function heapOf(sandbox: Sandbox, daemon: DaemonProcess): Promise<number> {
  const file = join(sandbox.home, 'heap')
  rmSync(file, { force: true })
  process.kill(daemon.pid, 'SIGPWR')
  const isWritten = () => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0
  await sandbox.waitFor(isWritten, { what: 'the size of the heap' })
  return Number(readFileSync(file, 'latin1'))
}
