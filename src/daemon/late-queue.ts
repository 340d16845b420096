import type { Logger } from '../observe/logger.js'
import type { Tell } from '../observe/event.js'
import { printable } from '../observe/printable.js'
import type { Task } from '../hostmaster/task.js'

/** How often the ages of the waiting tasks are looked at, in milliseconds. */
const INTERVAL = 5_000

export interface LateQueueOptions {
  logger: Logger
  tell: Tell
  /** `[notify] queue_age`, milliseconds; null: nobody is told. */
  limit: () => number | null
  /** Why a task does not start, in a sentence. */
  why: (nid: number) => string
}

/** Tells once when a task has been waiting for longer than the limit, and once when none has any more. */
export class LateQueue {
  readonly #options: LateQueueOptions
  #isLate = false
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(options: LateQueueOptions) {
    this.#options = options
  }

  /**
   * @param waiting the tasks that wait and have no run
   * @param now milliseconds since 1970
   * @param monotonic milliseconds
   */
  look(waiting: () => readonly Task[], now: number, monotonic: number): void {
    if (monotonic - this.#lookedAt < INTERVAL) return
    this.#lookedAt = monotonic
    const { logger, tell, limit, why } = this.#options
    const tasks = waiting()
    const oldest = oldestOf(tasks)
    const age = oldest ? now - oldest.changed * 1000 : 0
    const isLate = oldest !== undefined && age > (limit() ?? Infinity)
    if (isLate === this.#isLate) return
    this.#isLate = isLate
    if (!isLate) {
      logger.info({ waiting: tasks.length }, 'no task has been waiting for too long any more')
      tell({ kind: 'queue in time', waiting: tasks.length })
      return
    }
    const [type, object] = [printable(oldest.type), printable(oldest.object)]
    const reason = why(oldest.nid)
    logger.warn(
      { nid: oldest.nid, type, object, waited_ms: age, waiting: tasks.length, reason },
      'a task has been waiting for longer than [notify] queue_age',
    )
    tell({ kind: 'queue late', waiting: tasks.length, oldest: { nid: oldest.nid, type, object }, age, reason })
  }
}

/** The one that was queued first; undefined when none waits. */
export function oldestOf(tasks: readonly Task[]): Task | undefined {
  return tasks.reduce<Task | undefined>(
    (oldest, task) => (oldest === undefined || task.changed < oldest.changed ? task : oldest),
    undefined,
  )
}
