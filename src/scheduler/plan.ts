import type { Footprint } from './locks.js'
import type { PlanInput, WaitingTask } from './plan-input.js'
import type { Reason } from './reason.js'
import { freeSlots, Round } from './round.js'

export type { Limits, PlanInput, RunKind, RunningTask, WaitingTask } from './plan-input.js'
export type { Halt, NameOf, PauseOfTasks, Reason, TaskName } from './reason.js'
export { describeReason, nameTasks } from './reason.js'

/** A task that starts now. */
export interface PlannedTask {
  readonly task: WaitingTask
  /** What it takes; belongs into the run's record and from there into `RunningTask.footprint`. */
  readonly footprint: Footprint
  /** Whether it goes before bulk; to be counted for `PlanInput.urgentInARow`. */
  readonly urgent: boolean
}

export interface Plan {
  /** In the order in which to start them. */
  readonly start: readonly PlannedTask[]
  /** By nid, why each of the others does not start now. */
  readonly waiting: ReadonlyMap<number, Reason>
}

/**
 * Which tasks start now, in order, and why each of the others does not.
 *
 * 1. All waiting tasks stand in one line: the queue's order (`node.changed`, then nid), with parents and children
 *    that both wait moved, see `parentsFirst`.
 * 2. Each in turn claims what it needs. It may start when it conflicts with no run, and with no claim of a task
 *    further ahead: so no task is overtaken by one that would keep it waiting, and nothing starves. On one object
 *    that is strictly first come, first served. The one exception: an interactive task passes the claim of a broad
 *    verify (of a platform, a server, the hostmaster site) on another object, for the first 15 minutes of its wait.
 * 3. Those that may start do so while there are slots and their servers and platforms are below their limits:
 *    interactive before bulk (and with an interactive task those ahead of it on its object), all else in the order
 *    of the line. After ten such starts in a row the line decides once, so that bulk work always ends.
 *
 * A parked or paused task claims nothing, and neither do those behind it on its object: one task that cannot get through must
 * not stop a whole server for an hour. A task of an unknown object takes everything and has its place in the line
 * like any other: it waits for all runs, runs alone, and is done.
 *
 * The result does not depend on the order of `waiting` and `running`. No data makes this throw.
 */
export function plan(input: PlanInput): Plan {
  const { halted } = input
  if (halted !== undefined) return { start: [], waiting: new Map(input.waiting.map(({ nid }) => [nid, halted])) }
  const round = new Round(input)
  return { start: round.start(true), waiting: round.reasons() }
}

/** As `plan(input).start`, but without reasons: with all slots taken it looks at no waiting task at all. */
export function startNow(input: PlanInput): readonly PlannedTask[] {
  if (input.halted !== undefined || input.waiting.length === 0 || freeSlots(input) === 0) return []
  return new Round(input).start(false)
}
