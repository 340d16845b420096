import type { Logger } from './logger.js'

type Fields = Record<string, unknown>

/** A fault or hindrance that lasts: the database is gone, the queue is paused, somebody else holds the lock row. */
export interface Condition {
  name: string
  message: string
  since: number
  fields: Fields
}

/** Logs each such state once when it begins and once when it ends, however often it is noticed in between. */
export class Conditions {
  readonly #logger: Logger
  readonly #now: () => number
  readonly #current = new Map<string, Condition>()

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger
    this.#now = now
  }

  /** @returns whether it begins with this call. */
  begin(name: string, level: 'info' | 'warn' | 'error', message: string, fields: Fields = {}): boolean {
    const known = this.#current.get(name)
    this.#current.set(name, { name, message, since: known?.since ?? this.#now(), fields })
    if (known) return false
    this.#logger[level](fields, message)
    return true
  }

  end(name: string, message: string, fields: Fields = {}): boolean {
    const known = this.#current.get(name)
    if (!known) return false
    this.#current.delete(name)
    this.#logger.info({ ...fields, duration_ms: Math.max(0, this.#now() - known.since) }, message)
    return true
  }

  get(name: string): Condition | undefined {
    return this.#current.get(name)
  }

  list(): Condition[] {
    return [...this.#current.values()]
  }
}
