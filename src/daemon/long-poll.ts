import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import type { LeaderLock } from '../hostmaster/leader-lock.js'
import { awaitQueueChange, type ChangeRequest, type WatchedQueue } from '../hostmaster/queue-change.js'
import type { Logger } from '../observe/logger.js'
import type { Clock } from './clock.js'

export interface LongPollOptions {
  clock: Pick<Clock, 'monotonic'>
  logger: Logger
  /** The server has answered. */
  returned: () => void
}

/**
 * Has the server look at the queue in our place, at the poll interval, and answer when there is something new. It takes
 * the loop's own connection, so no other statement may be sent through it before `end` has been awaited.
 *
 * - idle: nothing is asked. `begin` asks, once it is known what a change is a change from: the first time, and whenever
 *   another window is looked at, it only learns that.
 * - under way: the server looks. It ends by itself, or is ended (`release`) by the leader's connection, which lets go of
 *   the lock that the statement waits for.
 * - unusable: the server is not able to; the loop polls by its own timer until there is another connection.
 *
 * The answer is no news in itself: whoever gets it polls, and so sees at least what the server has seen.
 */
export class LongPoll {
  readonly #connection: DatabaseConnection
  readonly #lock: LeaderLock
  readonly #options: LongPollOptions
  #isUsable = true
  #known: { window: WatchedQueue['window']; fingerprint: string } | undefined
  #underWay: Promise<void> | undefined
  #released: Promise<void> | undefined
  /** Why the connection is of no use any more; thrown by `end`. */
  #lost: DatabaseError | undefined

  constructor(connection: DatabaseConnection, lock: LeaderLock, options: LongPollOptions) {
    this.#connection = connection
    this.#lock = lock
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  /**
   * @param interval milliseconds from one look to the next
   * @param looks how many at most, the first at once; less than two intervals are not worth it
   * @returns whether the server looks now. @throws DatabaseError when the connection is lost
   */
  async begin(watched: WatchedQueue, interval: number, looks: number): Promise<boolean> {
    if (!this.#isUsable || looks < 3) return false
    const { window } = watched
    const common = { ...watched, wakeLock: this.#lock.wakeLock }
    try {
      if (this.#known?.window.floor !== window.floor || this.#known.window.mark !== window.mark) {
        this.#known = undefined
        // Before the wake lock is taken: an old server, which cannot do this, would drop the leader lock for a second one.
        const fingerprint = await this.#ask({ ...common, interval, looks: 1, fingerprint: null })
        this.#known = { window, fingerprint }
        // What has changed since the last poll is in it already: the next poll has to come first.
        return false
      }
      if (!(await this.#lock.holdWakeLock())) return false
    } catch (error) {
      this.#fail(error)
      this.#throwLost()
      return false
    }
    this.#released = undefined
    this.#underWay = this.#look({ ...common, interval, looks, fingerprint: this.#known.fingerprint })
    return true
  }

  /** Asks the server to answer now; where nothing is under way nothing happens. */
  release(): void {
    if (this.#underWay) this.#released ??= this.#lock.releaseWakeLock().catch((error: unknown) => this.#fail(error))
  }

  /** Resolves when nothing is under way any more. Idempotent. @throws DatabaseError when the connection is lost */
  async end(): Promise<void> {
    this.release()
    await Promise.all([this.#underWay, this.#released])
    this.#throwLost()
  }

  async #look(request: ChangeRequest): Promise<void> {
    const { clock, returned } = this.#options
    const began = clock.monotonic()
    try {
      const fingerprint = await this.#ask(request)
      const isEarly = clock.monotonic() - began < request.interval && fingerprint === request.fingerprint
      if (isEarly && !this.#released) throw new Error('the server does not wait between two looks')
      this.#known = { window: request.window, fingerprint }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#underWay = undefined
      returned()
    }
  }

  #ask(request: ChangeRequest): Promise<string> {
    return awaitQueueChange(this.#connection, request)
  }

  #fail(error: unknown): void {
    this.#isUsable = false
    if (error instanceof DatabaseError && error.fault.kind === 'lost') this.#lost ??= error
    else this.#options.logger.info({ err: error }, 'the server does not look at the queue for us; polling goes on')
  }

  #throwLost(): void {
    if (this.#lost) throw this.#lost
  }
}
