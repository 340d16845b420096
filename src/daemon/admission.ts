import { loadavg } from 'node:os'
import type { Config } from '../config/schema.js'
import type { Conditions } from '../observe/conditions.js'
import type { RunStore } from '../runner/run-store.js'
import type { Halt } from '../scheduler/plan.js'
import type { Clock } from './clock.js'

/** The kernel computes the load every five seconds; it need not be asked more often. */
const LOAD_INTERVAL = 5_000

/** How often the disk is looked at, in milliseconds: a second of tasks does not fill what is to stay free. */
const DISK_INTERVAL = 1_000

interface AdmissionOptions {
  settings: () => Config
  store: RunStore
  conditions: Conditions
  clock: Clock
  /** The machine's load over the last minute. */
  load?: () => number
}

/** Whether the machine can take another task: above its load limit drush refuses, and a run must be recordable. */
export class Admission {
  readonly #options: AdmissionOptions
  #load = 0
  #loadReadAt = Number.NEGATIVE_INFINITY
  /** Bytes; undefined: not to be had. */
  #free: number | undefined
  #diskReadAt = Number.NEGATIVE_INFINITY

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  halt(): Halt | undefined {
    return this.#overload() ?? this.#disk()
  }

  #overload(): Halt | undefined {
    const { settings, conditions } = this.#options
    const limit = settings().queue.max_load
    const now = this.#currentLoad()
    if (now <= limit) {
      conditions.end('load', 'load is low enough again')
      return undefined
    }
    conditions.begin('load', 'warn', 'load is too high; nothing is started', { load: now, max_load: limit })
    return { kind: 'overloaded', load: now, limit }
  }

  #currentLoad(): number {
    const { clock, load = () => loadavg()[0] ?? 0 } = this.#options
    if (clock.monotonic() - this.#loadReadAt >= LOAD_INTERVAL) {
      this.#load = load()
      this.#loadReadAt = clock.monotonic()
    }
    return this.#load
  }

  #disk(): Halt | undefined {
    const { settings, conditions } = this.#options
    const limit = settings().state.min_free
    const free = this.#freeBytes()
    // Whether the directory can be written is told by the record itself.
    if (free === undefined) return undefined
    if (free >= limit) {
      conditions.end('disk', 'state directory has room again')
      return undefined
    }
    conditions.begin('disk', 'warn', 'state directory is nearly full; nothing is started', { free, min_free: limit })
    return { kind: 'outage', what: `the state directory has only ${free} bytes left` }
  }

  #freeBytes(): number | undefined {
    const { clock, store } = this.#options
    if (clock.monotonic() - this.#diskReadAt < DISK_INTERVAL) return this.#free
    this.#diskReadAt = clock.monotonic()
    try {
      this.#free = store.freeBytes()
    } catch {
      this.#free = undefined
    }
    return this.#free
  }
}
