import type { Clock } from './clock.js'

/** The wait between two turns of a loop, which anybody may cut short. A wake-up between two waits is not lost. */
export class Waker {
  readonly #clock: Clock
  #awake = false
  /** Kept from wait to wait: to make one costs more than all the rest of a wait. */
  #abort = new AbortController()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    this.#awake = true
    // A reason of our own: the one that it would make has a stack trace.
    this.#abort.abort('woken')
  }

  /** Resolves after `ms`, or at once when woken during or since the last wait. @returns whether it was woken. */
  async wait(ms: number): Promise<boolean> {
    if (!this.#awake && ms > 0) {
      if (this.#abort.signal.aborted) this.#abort = new AbortController()
      await this.#clock.pause(ms, this.#abort.signal)
    }
    const isWoken = this.#awake
    this.#awake = false
    return isWoken
  }
}
