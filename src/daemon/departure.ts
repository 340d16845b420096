import type { Clock } from './clock.js'

/** How long leaving at once may take, in milliseconds: a statement under way, or a connect, may take longer. */
const LEAVE_GRACE = 1_000

/**
 * How the daemon was asked to leave:
 *
 * - nobody has asked;
 * - `finish`: when the last of its children has ended;
 * - `leave`: at once, its children go on. After a grace it is overdue: what it still waits for is given up where it stands.
 *
 * It leads from each of them to a later one only.
 */
export class Departure {
  readonly #clock: Clock
  readonly #over = new AbortController()
  #asked: 'finish' | 'leave' | undefined
  /** Resolves when leaving has taken too long. */
  readonly overdue: Promise<void>
  #isOverdue: () => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.overdue = new Promise((resolve) => (this.#isOverdue = resolve))
  }

  get isAsked(): boolean {
    return this.#asked !== undefined
  }

  get isAtOnce(): boolean {
    return this.#asked === 'leave'
  }

  /** @returns whether this is news. */
  ask(how: 'finish' | 'leave'): boolean {
    if (this.#asked === 'leave' || this.#asked === how) return false
    this.#asked = how
    if (how === 'leave') void this.#clock.pause(LEAVE_GRACE, this.#over.signal).then(() => this.#isOverdue())
    return true
  }

  /** The daemon has left. Idempotent. */
  end(): void {
    this.#over.abort()
  }
}
