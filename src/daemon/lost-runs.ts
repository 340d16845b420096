import type { Cancellation } from '../runner/run-record.js'

/**
 * Runs that another daemon has taken since we adopted. Where it does not lead, for it was frozen while it wrote the record,
 * nobody follows such a run any more: whoever leads has to adopt it once more.
 */
export class LostRuns {
  readonly #isOpen: (run: string) => boolean
  /** What was asked of each of them here; the record that the other daemon wrote need not know of it. */
  #cancellations = new Map<string, Cancellation | undefined>()

  /** @param isOpen whether a run is not settled: one that is is nobody's any more. */
  constructor(isOpen: (run: string) => boolean) {
    this.#isOpen = isOpen
  }

  get isEmpty(): boolean {
    for (const run of this.#cancellations.keys()) if (!this.#isOpen(run)) this.#cancellations.delete(run)
    return this.#cancellations.size === 0
  }

  note(run: string, cancellation?: Cancellation): void {
    if (this.#isOpen(run)) this.#cancellations.set(run, cancellation)
  }

  /** Adopts all that has been lost until now. What `adopt` loses is lost anew; where it fails, all that it was to adopt is lost still. */
  adopt(adopt: (cancellationOf: (run: string) => Cancellation | undefined) => void): void {
    const lost = this.#cancellations
    this.#cancellations = new Map()
    try {
      adopt((run) => lost.get(run))
    } catch (error) {
      this.#cancellations = new Map([...lost, ...this.#cancellations])
      throw error
    }
  }
}
