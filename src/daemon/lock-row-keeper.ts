import type { DatabaseConnection } from '../hostmaster/connection.js'
import {
  OUR_LOCK_PREFIX,
  deleteQueueLockRow,
  insertQueueLockRow,
  renewQueueLockRow,
  seizeQueueLockRow,
} from '../hostmaster/queue-lock-row.js'
import { printable } from '../observe/printable.js'
import type { Clock } from './clock.js'

/** How far ahead our expiry lies, in seconds: as long as other runners wait for a Skynet that died. */
const AHEAD = 120

/** When less than this is left, in seconds, the row is renewed. */
const RENEW_BELOW = 90

export type LockRowState =
  | { kind: 'ours' }
  | { kind: 'free' }
  /** Milliseconds since 1970. */
  | { kind: 'foreign'; holder: string; until: number }

/**
 * Holds Drupal's lock row of the task queue while we lead, so that no other runner of Aegir's starts a task. A row of
 * another Skynet is taken over at once: who holds the leader lock is the only one.
 */
export class LockRowKeeper {
  readonly value: string
  readonly #clock: Clock
  #state: LockRowState = { kind: 'free' }
  #writtenAt = Number.NEGATIVE_INFINITY

  constructor(host: string, pid: number, clock: Clock) {
    this.value = `${OUR_LOCK_PREFIX}${host}:${pid}`
    this.#clock = clock
  }

  get state(): LockRowState {
    return this.#state
  }

  /** Milliseconds since the database last took a write of ours. */
  get sinceWritten(): number {
    return this.#clock.monotonic() - this.#writtenAt
  }

  /** @param row the lock row as it was just read. @throws DatabaseError */
  async keep(connection: DatabaseConnection, row: { value: string; expire: number } | null): Promise<LockRowState> {
    const now = this.#clock.now() / 1000
    const ours = { value: this.value, expire: now + AHEAD }
    if (row?.value === this.value) {
      // Also when somebody set the clock: what counts for the others is the time that they see.
      const left = row.expire - now
      if (left < RENEW_BELOW || left > AHEAD + 1) this.#note(await renewQueueLockRow(connection, ours))
      else this.#state = { kind: 'ours' }
    } else if (row === null) {
      this.#note(await insertQueueLockRow(connection, ours))
    } else if (row.value.startsWith(OUR_LOCK_PREFIX) || row.expire < now) {
      this.#note(await seizeQueueLockRow(connection, ours, now))
    } else {
      this.#state = { kind: 'foreign', holder: printable(row.value), until: row.expire * 1000 }
    }
    return this.#state
  }

  /** The row was not ours when it mattered; the next poll tells whose it is. */
  doubt(): void {
    this.#state = { kind: 'free' }
  }

  /** @throws DatabaseError */
  async release(connection: DatabaseConnection): Promise<void> {
    await deleteQueueLockRow(connection, this.value)
    this.#state = { kind: 'free' }
  }

  #note(taken: boolean): void {
    this.#state = { kind: taken ? 'ours' : 'free' }
    if (taken) this.#writtenAt = this.#clock.monotonic()
  }
}
