import type { WaitingTask } from './plan-input.js'

/** Order of the queue: `node.changed`, then nid. A nid that is listed twice counts once, with its newest vid. */
export function queueOrder(waiting: readonly WaitingTask[]): WaitingTask[] {
  const nids = new Set<number>()
  for (const { nid } of waiting) nids.add(nid)
  const tasks = nids.size === waiting.length ? [...waiting] : newestOfEach(waiting)
  return tasks.sort((a, b) => changed(a) - changed(b) || a.nid - b.nid)
}

function newestOfEach(waiting: readonly WaitingTask[]): WaitingTask[] {
  const newest = new Map<number, WaitingTask>()
  for (const task of waiting) {
    const other = newest.get(task.nid)
    if (other === undefined || other.vid < task.vid) newest.set(task.nid, task)
  }
  return [...newest.values()]
}

/** When the task was queued, in seconds; a time that is none counts as the oldest. */
export function changed(task: WaitingTask): number {
  return Number.isFinite(task.changed) ? task.changed : 0
}

/** Whether the task is not to be tried now, whatever is free: it claims nothing then. */
export function isPutOff(task: WaitingTask, now: number): boolean {
  return task.paused !== undefined || isParked(task, now)
}

/** Whether the task is put off for a while because drush refused it. */
export function isParked(task: WaitingTask, now: number): boolean {
  return task.parkedUntil !== undefined && task.parkedUntil > now
}
