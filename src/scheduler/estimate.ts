import { Footprints } from './footprints.js'
import type { PlanInput, RunningTask, WaitingTask } from './plan-input.js'
import { changed, isParked, queueOrder } from './queue-order.js'
import { Round } from './round.js'

export interface Estimate {
  readonly slots: number
  /** Seconds until all that waits and runs has ended; `undefined` when something can never start. */
  readonly seconds: number | undefined
  /** How many of the waiting tasks were played through; the rest is taken to go on at the same pace. */
  readonly played: number
}

/** More tasks than this are not played through one by one: the answer must come at once. */
const PLAYED = 500

/** Seconds for a task of a type that has never run here, when nothing has. */
const UNKNOWN_DURATION = 60

/**
 * How long the queue takes with so many slots: a simulation of the scheduler on durations in seconds by type (medians
 * of the past). Pauses, of the queue or of some tasks, and other halts are taken to be over.
 */
export function estimate(input: PlanInput, durations: ReadonlyMap<string, number>, slots: number): Estimate {
  const seconds = durationOf(durations)
  const all = queueOrder(input.waiting).map((task): WaitingTask => {
    const { paused, ...others } = task
    return paused === undefined ? task : others
  })
  const waiting = all.slice(0, PLAYED)
  const played = play({ ...input, waiting, limits: { ...input.limits, concurrentTasks: slots } }, seconds)
  const work = (tasks: readonly WaitingTask[]) => tasks.reduce((sum, { type }) => sum + seconds(type), 0)
  const rest = work(all.slice(PLAYED))
  const pace = played === undefined ? 0 : played / Math.max(work(waiting), 1)
  return {
    slots,
    seconds: played === undefined ? undefined : Math.ceil(played + rest * pace),
    played: waiting.length,
  }
}

/** Seconds from now until the last end; `undefined` when tasks are left that never start. */
function play(input: PlanInput, seconds: (type: string) => number): number | undefined {
  const footprints = input.footprints ?? new Footprints(input.topology, input.extraTypes)
  const waiting = new Set(input.waiting)
  const ends = new Map<RunningTask, number>()
  let { now } = input
  let urgentInARow = 0
  for (const run of input.running) {
    const end = (run.startedAt ?? now) + seconds(run.type) * 1000
    // One that takes longer than usual is about to end.
    if (run.kind !== 'stuck') ends.set(run, Math.max(end, now + 1000))
  }
  for (;;) {
    const world = { ...input, footprints, waiting: [...waiting], running: [...ends.keys()], now, urgentInARow }
    for (const { task, footprint, urgent } of new Round(world).start(false)) {
      waiting.delete(task)
      urgentInARow = urgent ? urgentInARow + 1 : 0
      ends.set({ ...task, footprint, kind: 'own', startedAt: now }, now + seconds(task.type) * 1000)
    }
    const next = Math.min(...ends.values(), ...wakeUps(waiting, input, now))
    if (!(next < Infinity)) return waiting.size === 0 ? (now - input.now) / 1000 : undefined
    now = next
    for (const [run, end] of ends) if (end <= now) ends.delete(run)
  }
}

/** Times at which a task may start that may not now. */
function wakeUps(waiting: Iterable<WaitingTask>, { limits }: PlanInput, now: number): number[] {
  const times: number[] = []
  for (const task of waiting) {
    const settled = changed(task) * 1000 + (limits.settle ?? 0)
    if (isParked(task, now)) times.push(task.parkedUntil ?? now)
    else if (settled > now && settled - now <= (limits.settle ?? 0)) times.push(settled)
  }
  return times
}

function durationOf(durations: ReadonlyMap<string, number>): (type: string) => number {
  const known = [...durations.values()].filter((value) => value >= 0 && value < Infinity).sort((a, b) => a - b)
  const usual = known[Math.floor(known.length / 2)] ?? UNKNOWN_DURATION
  return (type) => {
    const value = durations.get(type) ?? usual
    // Whole tasks take some time, however short the past ones were.
    return value >= 0 && value < Infinity ? Math.max(value, 0.1) : usual
  }
}
