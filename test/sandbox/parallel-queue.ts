import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { WaitingTask } from '../../src/scheduler/plan.js'
import { queueTasks } from './bulk-tasks.js'
import { check, type Fault, type Interval } from './conflict-checker.js'
import type { LogEntry } from './daemon-process.js'
import { endDaemons } from './end-daemons.js'
import { configure, startLeader } from './leader.js'
import type { TaskSpec } from './node-rows.js'
import { RunRecords } from './run-records.js'
import type { Sandbox } from './sandbox.js'
import { occupancies, slotUse, type SlotUse } from './slot-use.js'
import { intervalsOf, notExactlyOnce } from './task-intervals.js'
import type { World } from './world.js'

/** The daemon is killed when it has led for so long, in milliseconds. */
const KILL_INTERVAL = 2_000

/** How often the machine's own delay is measured, in milliseconds. */
const YARDSTICK_INTERVAL = 400

export interface Outcome {
  tasks: readonly WaitingTask[]
  intervals: Interval[]
  /** What the independent checker found. */
  faults: Fault[]
  /** nids of tasks that were not started exactly once. */
  notExactlyOnce: number[]
  use: SlotUse
  /** Milliseconds that this machine took meanwhile to make a process and to tell of its end: the median of many. */
  yardstick: number
  kills: number
  logs: LogEntry[]
}

/** Queues the tasks, lets a daemon run them all, and judges from drush's journal and the records what has happened. */
export async function runQueue(
  sandbox: Sandbox,
  world: World,
  specs: readonly TaskSpec[],
  { slots, kill = false, timeoutMs }: { slots: number; kill?: boolean; timeoutMs: number },
): Promise<Outcome> {
  configure(sandbox, { queue: { concurrent_tasks: slots } })
  const before = sandbox.journal().length
  const tasks = await queueTasks(sandbox.hostmaster, specs)
  const logs: LogEntry[] = []
  const isDone = () => nothingOpen(sandbox)
  const limit = performance.now() + timeoutMs
  let kills = 0
  const delays: number[] = []
  let measuredAt = 0
  for (;;) {
    const daemon = await startLeader(sandbox)
    // Counted from here: on a busy machine the start alone takes as long, and nothing would ever be done.
    const killAt = kill ? performance.now() + KILL_INTERVAL : limit
    while (performance.now() < killAt && !(await isDone())) {
      await delay(25)
      if (performance.now() - measuredAt < YARDSTICK_INTERVAL) continue
      measuredAt = performance.now()
      await once(spawn('true', { stdio: 'ignore' }), 'exit')
      delays.push(performance.now() - measuredAt)
    }
    const ready = await isDone()
    // Orders the kill, and fails on a fault in the log.
    await endDaemons(sandbox)
    logs.push(...daemon.logs)
    if (ready) break
    if (performance.now() > limit)
      throw new Error(`The queue is not done after ${timeoutMs} ms.\n${daemon.lastWords()}`)
    kills += 1
  }
  const journal = sandbox.journal().slice(before)
  const intervals = intervalsOf(journal, tasks)
  const limits = { concurrentTasks: slots }
  return {
    tasks,
    intervals,
    faults: check(intervals, world.topology),
    notExactlyOnce: notExactlyOnce(journal, tasks),
    use: slotUse(occupancies(new RunRecords(sandbox), tasks), { topology: world.topology, limits }),
    yardstick: delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)] ?? Number.NaN,
    kills,
    logs,
  }
}

/** In words, for a person. */
export function describeOutcome({ tasks, use, yardstick, kills }: Outcome): string {
  const perSecond = (ms: number) => (ms / use.span).toFixed(2)
  return [
    `${tasks.length} tasks in ${(use.span / 1000).toFixed(1)} s`,
    `${perSecond(use.used)} slots taken of ${perSecond(use.possible)} possible: ${(100 * shareOf(use)).toFixed(1)} %`,
    `${lostPerTask({ use, tasks }).toFixed(1)} slot-ms lost a task; a process of this machine ${yardstick.toFixed(1)} ms`,
    `${kills} daemons killed`,
  ].join('; ')
}

/** How much of what was possible was used. */
export function shareOf({ used, possible }: SlotUse): number {
  return used / possible
}

/** Milliseconds for which a slot stayed free, although a task could have been started, for each task. */
export function lostPerTask({ use, tasks }: Pick<Outcome, 'use' | 'tasks'>): number {
  return (use.possible - use.used) / tasks.length
}

/** Whether no task waits or is processed, and every run is settled. */
async function nothingOpen(sandbox: Sandbox): Promise<boolean> {
  const [row] = await sandbox.hostmaster.query<{ open: number }>(
    `SELECT COUNT(*) AS open FROM hosting_task t JOIN node n ON n.vid = t.vid
      WHERE t.task_status IN (0, -1) AND n.type = 'task'`,
  )
  return row?.open === 0 && new RunRecords(sandbox).in('runs').length === 0
}
