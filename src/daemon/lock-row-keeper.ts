import type { DatabaseConnection } from '../hostmaster/connection.js'
import {
  OUR_LOCK_PREFIX,
  deleteQueueLockRow,
  insertQueueLockRow,
  renewQueueLockRow,
  seizeQueueLockRow,
} from '../hostmaster/queue-lock-row.js'
import { printable } from '../observe/printable.js'
import type { ProcessTable } from '../runner/process-table.js'
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

export interface LockRowKeeperOptions {
  host: string
  pid: number
  clock: Clock
  processes: Pick<ProcessTable, 'identify'>
}

/** Of any Skynet, and of none, as SQL knows patterns. */
const ANY = `${OUR_LOCK_PREFIX}%`
const NONE = ''

/**
 * Holds Drupal's lock row of the task queue while we lead, so that no other runner of Aegir's starts a task. A row of
 * another Skynet is taken over at once: who holds the leader lock is the only one.
 *
 * Not so in a Galera cluster, where each node has a leader of its own: there the row decides between them. The row of
 * another Skynet stands until it expires, unless it is of this machine and its process is gone.
 */
export class LockRowKeeper {
  readonly value: string
  readonly #host: string
  readonly #clock: Clock
  readonly #processes: LockRowKeeperOptions['processes']
  #isInCluster = false
  #state: LockRowState = { kind: 'free' }
  #writtenAt = Number.NEGATIVE_INFINITY

  constructor({ host, pid, clock, processes }: LockRowKeeperOptions) {
    this.value = `${OUR_LOCK_PREFIX}${host}:${pid}`
    this.#host = host
    this.#clock = clock
    this.#processes = processes
  }

  /** What kind of server the row is on. */
  servedBy({ cluster }: { cluster: boolean }): void {
    this.#isInCluster = cluster
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
    } else if (this.#mayTakeOver(row.value) || row.expire < now) {
      const from = !this.#isInCluster ? ANY : this.#mayTakeOver(row.value) ? row.value : NONE
      this.#note(await seizeQueueLockRow(connection, ours, { from, now }))
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

  /** Whether the row is of a Skynet that does not need it any more, whatever its expiry. */
  #mayTakeOver(value: string): boolean {
    if (!value.startsWith(OUR_LOCK_PREFIX)) return false
    if (!this.#isInCluster) return true
    const onThisHost = `${OUR_LOCK_PREFIX}${this.#host}:`
    const pid = value.startsWith(onThisHost) ? Number(value.slice(onThisHost.length)) : Number.NaN
    return Number.isInteger(pid) && pid > 0 && this.#processes.identify(pid) === undefined
  }

  #note(taken: boolean): void {
    this.#state = { kind: taken ? 'ours' : 'free' }
    if (taken) this.#writtenAt = this.#clock.monotonic()
  }
}
