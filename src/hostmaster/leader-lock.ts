import { createHash } from 'node:crypto'
import { DATABASE_LIMITS, DatabaseConnection, type DatabaseAddress, type DatabaseLimits } from './connection.js'

/** Seconds of silence after which the server itself ends the leader's connection, and with it the lock. */
const LEADER_WAIT_TIMEOUT = 30

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
  readonly #limits: DatabaseLimits

  private constructor(connection: DatabaseConnection, name: string, limits: DatabaseLimits) {
    this.#connection = connection
    this.#name = name
    this.#limits = limits
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
    return new LeaderLock(connection, leaderLockName(address.db), limits)
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
    const limit = seconds * 1000 + this.#limits.statement
    const rows = await this.#connection.rows<{ got: number | null }>(
      'SELECT GET_LOCK(?, ?) AS got',
      [this.#name, seconds],
      limit,
    )
    return rows[0]?.got === 1
  }

  /** Keeps the connection from the server's `wait_timeout`; to be called every ten seconds. @throws DatabaseError */
  async ping(): Promise<void> {
    await this.#connection.rows('SELECT 1 AS alive')
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  destroy(): void {
    this.#connection.destroy()
  }
}
