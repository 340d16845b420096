import { createHash } from 'node:crypto'
import { DATABASE_LIMITS, DatabaseConnection, type DatabaseAddress } from './connection.js'

/** Seconds of silence after which the server itself ends the leader's connection, and with it the lock. */
export const LEADER_WAIT_TIMEOUT = 30

/** Name of the server-wide user lock; such names have at most 64 characters, a database's name may have as many. */
export function leaderLockName(database: string): string {
  return `skynet:${createHash('sha256').update(database).digest('hex').slice(0, 40)}`
}

/**
 * The lock that makes one daemon the leader: GET_LOCK on a connection of its own, which lives as long as the connection
 * and no longer. A leader that dies frees it at once, one that is frozen after `LEADER_WAIT_TIMEOUT`.
 */
export class LeaderLock {
  readonly #connection: DatabaseConnection
  readonly #name: string
  #holdsWakeLock = false

  private constructor(connection: DatabaseConnection, name: string) {
    this.#connection = connection
    this.#name = name
  }

  /** @throws DatabaseError */
  static async open(address: DatabaseAddress, limits = DATABASE_LIMITS): Promise<LeaderLock> {
    const connection = await DatabaseConnection.open(address, limits)
    try {
      await connection.change(`SET SESSION wait_timeout = ${LEADER_WAIT_TIMEOUT}`)
    } catch (error) {
      connection.destroy()
      throw error
    }
    return new LeaderLock(connection, leaderLockName(address.db))
  }

  /** What `IS_USED_LOCK` answers while the lock is ours. */
  get connectionId(): number {
    return this.#connection.id
  }

  get name(): string {
    return this.#name
  }

  get lost(): boolean {
    return this.#connection.closed
  }

  /** Waits up to `seconds` at the server for the lock. @returns whether it is ours. @throws DatabaseError */
  async acquire(seconds: number): Promise<boolean> {
    const values = [this.#name, seconds]
    const rows = await this.#connection.rows<{ got: number | null }>(
      'SELECT GET_LOCK(?, ?) AS got',
      values,
      seconds * 1000,
    )
    return rows[0]?.got === 1
  }

  /** The connection that has the lock; null: none. @throws DatabaseError */
  async holder(): Promise<number | null> {
    const rows = await this.#connection.rows<{ holder: number | null }>('SELECT IS_USED_LOCK(?) AS holder', [
      this.#name,
    ])
    return rows[0]?.holder ?? null
  }

  /** Keeps the connection from the server's `wait_timeout`; to be called every ten seconds. @throws DatabaseError */
  async ping(): Promise<void> {
    await this.#connection.rows('SELECT 1 AS alive')
  }

  /** Another lock of the leader's connection: its release ends the wait of a statement elsewhere (`awaitQueueChange`). */
  get wakeLock(): string {
    return `${this.#name}:wake`
  }

  /** @returns whether the wake lock is ours; false: somebody has it, for a moment as a rule. @throws DatabaseError */
  async holdWakeLock(): Promise<boolean> {
    if (this.#holdsWakeLock) return true
    const rows = await this.#connection.rows<{ got: number | null }>('SELECT GET_LOCK(?, 0) AS got', [this.wakeLock])
    this.#holdsWakeLock = rows[0]?.got === 1
    return this.#holdsWakeLock
  }

  /** Idempotent. @throws DatabaseError */
  async releaseWakeLock(): Promise<void> {
    if (!this.#holdsWakeLock) return
    this.#holdsWakeLock = false
    await this.#connection.rows('SELECT RELEASE_LOCK(?) AS released', [this.wakeLock])
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  destroy(): void {
    this.#connection.destroy()
  }
}
