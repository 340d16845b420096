/** How long the daemon may be without a completed poll, in milliseconds of real time. */
export interface LivenessLimits {
  /** How late a poll may be before the database is asked whether it is to blame; also how often it is asked then. */
  late: number
  /** How long the database has to have answered all the while, with no poll completed, before the daemon leaves. */
  patience: number
}

export const LIVENESS_LIMITS: LivenessLimits = { late: 10_000, patience: 60_000 }

export interface SelfCheckOptions {
  limits: LivenessLimits
  /** `[queue] poll_interval`, milliseconds. */
  interval: () => number
  /** Asks the database, through a connection of its own, what a poll asks it; never rejects. */
  answers: () => Promise<boolean>
  /** Milliseconds that never jump. */
  now?: () => number
}

/**
 * Proves that the daemon is alive by what it is there for: completed polls (for a standby, completed waits at the
 * leader lock). Nothing else counts, least of all a timer: one of its own would tick on while the loop hangs. The timer
 * here only looks. Where polls stay out although the database answers what they ask, the fault is this process's, and
 * a fresh one is better.
 *
 * - in time: the last poll is not older than the poll interval and `late`.
 * - late: it is; the database is asked. Does it not answer, it is to blame, and the loop waits for it as ever.
 * - stuck: late, and the database has answered every time for `patience`.
 */
export class SelfCheck {
  readonly #options: Required<SelfCheckOptions>
  #polledAt: number
  #hasPolled = false
  #answersSince: number | undefined
  #isAsking = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: SelfCheckOptions) {
    this.#options = { now: () => performance.now(), ...options }
    this.#polledAt = this.#options.now()
  }

  /** A poll has been completed. */
  polled(): void {
    this.#polledAt = this.#options.now()
    this.#hasPolled = true
    this.#answersSince = undefined
  }

  /** The database has just said that it does not serve us: it is to blame for a poll that stays out. */
  notServed(): void {
    this.#answersSince = undefined
  }

  /** Whether there was a poll, and the last one is not older than it may be. */
  get isFresh(): boolean {
    return this.#hasPolled && this.#isInTime
  }

  /** Whether polls have stayed out although the database answers: the loop may hang. */
  get suspectsUs(): boolean {
    return this.#answersSince !== undefined
  }

  /** Looks from now on; resolves when the daemon is stuck, and never otherwise. */
  watch(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => void this.look().then((stuck) => stuck && resolve())
      this.#timer = setInterval(look, this.#options.limits.late).unref()
    })
  }

  /** Stops looking. Idempotent. */
  stop(): void {
    clearInterval(this.#timer)
  }

  /** @returns whether the daemon is stuck. */
  async look(): Promise<boolean> {
    const { limits, answers, now } = this.#options
    if (this.#isAsking || this.#isInTime) return false
    this.#isAsking = true
    const polledAt = this.#polledAt
    const asked = now()
    const isAnswered = await answers()
    this.#isAsking = false
    if (this.#polledAt !== polledAt) return false
    this.#answersSince = isAnswered ? (this.#answersSince ?? asked) : undefined
    return this.#answersSince !== undefined && now() - this.#answersSince >= limits.patience
  }

  get #isInTime(): boolean {
    const { limits, interval, now } = this.#options
    return now() - this.#polledAt < interval() + limits.late
  }
}
