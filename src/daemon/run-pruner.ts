import type { Logger } from '../observe/logger.js'
import type { RunStore } from '../runner/run-store.js'
import type { Clock } from './clock.js'
import { pruneRuns } from './prune-runs.js'

/** How often old records are looked for, in milliseconds. */
const INTERVAL = 10 * 60_000

export interface RunPrunerOptions {
  store: RunStore
  clock: Clock
  logger: Logger
  /** `[state] keep`, milliseconds, and `keep_bytes`. */
  limits: () => { keep: number; keep_bytes: number }
}

/** Removes old records of settled runs, now and then. What cannot be removed stays until the next time. */
export class RunPruner {
  readonly #options: RunPrunerOptions
  #prunedAt = Number.NEGATIVE_INFINITY
  #isFailing = false

  constructor(options: RunPrunerOptions) {
    this.#options = options
  }

  pruneWhenDue(): void {
    const { store, clock, logger, limits } = this.#options
    if (clock.monotonic() - this.#prunedAt < INTERVAL) return
    this.#prunedAt = clock.monotonic()
    const { keep, keep_bytes } = limits()
    try {
      const pruned = pruneRuns(store, { keep, keepBytes: keep_bytes }, clock.now())
      this.#isFailing = false
      if (pruned > 0) logger.debug({ runs: pruned }, 'old records removed')
    } catch (error) {
      // Too many open files, or a folder that is not to be read: that is no reason to stop working on the queue.
      if (!this.#isFailing) logger.warn({ err: error }, 'old records cannot be removed; that is tried again later')
      this.#isFailing = true
    }
  }
}
