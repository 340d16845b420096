import type { CodedFootprint, Footprints } from './footprints.js'
import { parentsFirst } from './parents-first.js'
import type { PlanInput, RunningTask, WaitingTask } from './plan-input.js'
import { isPutOff, queueOrder } from './queue-order.js'
import type { Reason } from './reason.js'
import { INTERACTIVE_TYPES } from './task-types.js'
import { bulkTasks, runningVerifies } from './urgency.js'
import type { Urgency } from './urgency.js'

/** Who stands in the way of others: a run, or a waiting task. */
export interface Occupant {
  readonly task: WaitingTask | RunningTask
  readonly footprint: CodedFootprint
  /** Whether it runs, or starts in this round. */
  active: boolean
  /** Whether it is put off (parked or paused), or stands behind such a task of its object. */
  heldUp: boolean
}

/** A waiting task at its place in the line. */
export interface Entry extends Occupant {
  readonly task: WaitingTask
  readonly urgency: Urgency
  /** Whether it is interactive, or an interactive task waits behind it on the same object. */
  urgent: boolean
  /** Parked or paused. */
  readonly putOff: boolean
  /** Index in the queue's own order. */
  readonly index: number
  /** Place in the line: the index of the task itself, or of the one that it was moved to by `parentsFirst`. */
  anchor: number
  /** 0: at its own index. Below 0: just before the task at `anchor`; above 0: just behind it. */
  rank: number
  refusal: Refusal | undefined
}

/** Why an entry does not start. Whether its blocker runs is only known when the round is over. */
export type Refusal =
  { readonly reason: Reason } | { readonly sameObject: Occupant } | { readonly resource: number; readonly by: Occupant }

/**
 * The waiting tasks in the order in which they claim what they need: of two that conflict, the one that stands behind
 * does not start before the other.
 */
export function lineUp(input: PlanInput, footprints: Footprints): Entry[] {
  const { limits, now } = input
  const tasks = queueOrder(input.waiting)
  const urgencyOf = urgencies(tasks, input)
  const entries = tasks.map((task, index): Entry => {
    const putOff = isPutOff(task, now)
    return {
      task,
      footprint: footprints.of(task),
      active: false,
      heldUp: putOff,
      urgency: urgencyOf(task),
      urgent: false,
      putOff,
      index,
      anchor: index,
      rank: 0,
      refusal: undefined,
    }
  })
  hurry(entries)
  return (limits.parentsFirst ?? limits.concurrentTasks > 1)
    ? parentsFirst(entries, footprints.resources.count)
    : entries
}

function hurry(entries: readonly Entry[]): void {
  const hurried = new Set<number>()
  for (const entry of entries.toReversed()) {
    if (entry.urgency === 'interactive') hurried.add(entry.task.rid)
    entry.urgent = hurried.has(entry.task.rid)
  }
}

function urgencies(tasks: readonly WaitingTask[], input: PlanInput): (task: WaitingTask) => Urgency {
  const interactive = (task: WaitingTask) => INTERACTIVE_TYPES.has(task.type)
  // Bulk matters only where somebody could go before it.
  if (input.limits.priorities === false || !tasks.some(interactive)) return () => 'ordinary'
  const bulk = bulkTasks(tasks, runningVerifies(input.running), input.topology)
  return (task) => (bulk.has(task.nid) ? 'bulk' : interactive(task) ? 'interactive' : 'ordinary')
}
