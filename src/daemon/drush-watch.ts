import type { Logger } from '../observe/logger.js'
import type { DrushHealth } from '../runner/drush-probe.js'
import type { Halt } from '../scheduler/plan.js'
import type { Clock } from './clock.js'
import type { DrushOutage } from './drush-outage.js'

interface DrushWatchOptions {
  outage: DrushOutage
  clock: Clock
  logger: Logger
  probe: () => Promise<DrushHealth>
  /** drush has answered: the daemon's loop has to look. */
  changed: () => void
}

/** While drush does not work: asks it again whenever the back-off is over, one question at a time. */
export class DrushWatch {
  readonly #options: DrushWatchOptions
  #isAsking = false

  constructor(options: DrushWatchOptions) {
    this.#options = options
  }

  probeWhenDue(): void {
    const { outage, clock, logger, probe, changed } = this.#options
    const { state } = outage
    if (state.kind !== 'out' || state.by !== 'status' || clock.monotonic() < state.probeAt || this.#isAsking) return
    this.#isAsking = true
    void probe().then((health) => {
      this.#isAsking = false
      if (!health.works) outage.stillOut(health.reason)
      else if (outage.statusAnswers()) logger.info('drush works again')
      changed()
    })
  }

  halt(): Halt | undefined {
    const { state } = this.#options.outage
    if (state.kind === 'working') return undefined
    if (state.by === 'tasks' && this.#options.clock.monotonic() >= state.probeAt) return undefined
    return { kind: 'outage', what: state.reason, since: state.since }
  }
}
