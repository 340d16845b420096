import type { Config } from '../config/schema.js'
import { isPhpTrue } from '../hostmaster/php-value.js'
import type { Variables } from '../hostmaster/variables.js'
import type { Conditions } from '../observe/conditions.js'
import type { Logger } from '../observe/logger.js'
import { nameTasks, type Halt, type PauseOfTasks, type WaitingTask } from '../scheduler/plan.js'
import { queueOrder } from '../scheduler/queue-order.js'
import type { Clock } from './clock.js'
import { isWholeQueue, type OwnPauses } from './pause.js'

/** A pause of the whole queue. Times are milliseconds since 1970; since 0: not known. */
export interface Pause {
  by: string
  since: number
  until: number | null
  reason: string
}

export interface PausesOptions {
  own: OwnPauses
  settings: () => Config
  variables: () => Variables
  module: { readonly disabled: boolean }
  clock: Pick<Clock, 'now'>
  conditions: Conditions
  logger: Logger
}

/**
 * All that can pause the queue, or some of its tasks: `skynet pause`, skynet.conf, Aegir's own variable, the module. Any
 * one of them does.
 */
export class Pauses {
  readonly #options: PausesOptions
  #partly = new Set<string>()
  /** When the next of the pauses that were told ends by itself. */
  #nextEnd = Infinity

  constructor(options: PausesOptions) {
    this.#options = options
  }

  /** Pauses of the whole queue. */
  list(): Pause[] {
    const { own, settings, variables, module, clock, conditions } = this.#options
    const pauses = own
      .list(clock.now())
      .filter(isWholeQueue)
      .map(({ by, since, until, reason }): Pause => ({ by, since, until, reason }))
    const others = { since: conditions.get('paused')?.since ?? 0, until: null }
    if (settings().queue.paused) pauses.push({ by: 'skynet.conf', ...others, reason: '[queue] paused = yes' })
    if (isPhpTrue(variables().hosting_queued_paused)) {
      pauses.push({ by: 'Aegir', ...others, reason: 'the variable hosting_queued_paused is set' })
    }
    if (module.disabled) pauses.push({ by: 'Aegir', ...others, reason: 'the module is disabled' })
    return pauses
  }

  /** Pauses of some tasks. */
  ofTasks(): PauseOfTasks[] {
    const { own, clock } = this.#options
    return own.list(clock.now()).filter((pause) => !isWholeQueue(pause))
  }

  halt(): Halt | undefined {
    const [first] = this.list()
    return first && haltOf(first)
  }

  /** Milliseconds until the next pause ends by itself; infinite where none does. */
  untilNextEnd(): number {
    return this.#nextEnd - this.#options.clock.now()
  }

  /** Tells that a pause has ended by itself, where one has: before anything starts because of that. */
  tellEnds(): void {
    if (this.untilNextEnd() <= 0) this.tell()
  }

  /** Forgets pauses whose time has come, and logs the beginning and the end of each, once. */
  tell(): void {
    const { own, clock, conditions, logger } = this.#options
    try {
      own.expire(clock.now())
    } catch {
      // A full disk: they stay in the file, and are none all the same.
    }
    const first = this.list()[0]
    if (first) conditions.begin('paused', 'info', 'queue is paused', { by: first.by, reason: first.reason })
    else conditions.end('paused', 'queue is resumed')
    this.#tellPartly(logger)
    this.#nextEnd = Math.min(Infinity, ...own.list(clock.now()).map(({ until }) => until ?? Infinity))
  }

  #tellPartly(logger: Logger): void {
    const now = this.ofTasks()
    const names = new Set(now.map(nameTasks))
    for (const pause of now) {
      const tasks = nameTasks(pause)
      if (!this.#partly.has(tasks)) logger.info({ tasks, by: pause.by, reason: pause.reason }, 'some tasks are paused')
    }
    for (const tasks of this.#partly) if (!names.has(tasks)) logger.info({ tasks }, 'some tasks are resumed')
    this.#partly = names
  }
}

/** A pause of the whole queue, as the scheduler speaks of it. */
export function haltOf({ by, since, until, reason }: Pause): Halt {
  return { kind: 'paused', by, reason, ...(since === 0 ? {} : { since }), ...(until === null ? {} : { until }) }
}

/** The pause that a task is under; undefined: none. */
export function pauseOf(
  task: { type: string; object?: string },
  pauses: readonly PauseOfTasks[],
): PauseOfTasks | undefined {
  return pauses.find(
    ({ type, object }) => (type === null || type === task.type) && (object === null || object === task.object),
  )
}

/** nids of the tasks that pauses keep from starting: those that they are about, and those behind them on their objects. */
export function heldByPauses(waiting: readonly WaitingTask[], pauses: readonly PauseOfTasks[]): Set<number> {
  const held = new Set<number>()
  if (pauses.length === 0) return held
  const objects = new Set<number>()
  for (const task of queueOrder(waiting)) {
    if (!objects.has(task.rid) && !pauseOf(task, pauses)) continue
    objects.add(task.rid)
    held.add(task.nid)
  }
  return held
}
