import type { RunRecord } from '../runner/run-record.js'
import type { RunningTask } from '../scheduler/plan.js'
import { queueOrder } from '../scheduler/queue-order.js'
import type { Topology } from '../scheduler/topology.js'
import { bulkTasks, runningVerifies, type VerifyRun } from '../scheduler/urgency.js'
import type { QueueMirror } from './queue-mirror.js'

/** What a verify has queued is seen by the next poll, as a rule; so long (milliseconds) after its end at the latest. */
const REMEMBERED = 15 * 60_000

/**
 * Marks in the mirror which waiting tasks are bulk, at the time when that shows: when they arrive. Later the most of a
 * batch are done, and the verify that queued them has ended, and the last of them would count as ordinary.
 */
export class BulkMarks {
  #ended: Required<VerifyRun>[] = []
  #arrivals = 0

  /** A run has ended: a verify of a platform or server may have queued others. */
  runEnded({ type, rid, footprint, started_at, ended_at }: RunRecord): void {
    if (type !== 'verify' || footprint?.object === 'site' || started_at === null || ended_at === null) return
    this.#ended = this.#ended.filter(({ endedAt }) => endedAt > ended_at - REMEMBERED)
    this.#ended.push({ rid, startedAt: started_at, endedAt: ended_at })
  }

  mark(mirror: QueueMirror, running: readonly RunningTask[], topology: Topology): void {
    if (mirror.arrivals === this.#arrivals) return
    this.#arrivals = mirror.arrivals
    const tasks = queueOrder([...mirror.waiting.values()])
    const bulk = bulkTasks(tasks, [...runningVerifies(running), ...this.#ended], topology)
    for (const task of mirror.waiting.values()) task.bulk = bulk.has(task.nid)
  }
}
