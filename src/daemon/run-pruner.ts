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

/** Removes old records of settled runs, now and then. */
export class RunPruner {
  readonly #options: RunPrunerOptions
  #prunedAt = Number.NEGATIVE_INFINITY

  constructor(options: RunPrunerOptions) {
    this.#options = options
  }

  pruneWhenDue(): void {
    const { store, clock, logger, limits } = this.#options
    if (clock.monotonic() - this.#prunedAt < INTERVAL) return
    this.#prunedAt = clock.monotonic()
    const { keep, keep_bytes } = limits()
    const pruned = pruneRuns(store, { keep, keepBytes: keep_bytes }, clock.now())
    if (pruned > 0) logger.debug({ runs: pruned }, 'old records removed')
  }
}
