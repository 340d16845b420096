import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import { deleteDaemonRow, replaceDaemonRow } from '../hostmaster/daemon-row.js'
import { writeLastRun } from '../hostmaster/last-run.js'
import type { Conditions } from '../observe/conditions.js'
import type { Clock } from './clock.js'

/** How often Aegir is told that the queue is served, in milliseconds. */
const LAST_RUN_INTERVAL = 60_000

/** Longest that a farewell may take, in milliseconds: who was told to leave at once does not wait for a database. */
const FAREWELL = 1_000

/**
 * The words of the module's column `state`. It takes `disabled` and `stopped` for "leaves the queue to others"; after
 * all else Aegir's cron keeps away from the queue for ten minutes, so that a restart does not bring it in.
 */
export type HeartbeatState =
  'leader' | 'standby' | 'paused' | 'waiting' | 'draining' | 'disabled' | 'stopping' | 'stopped'

export interface HeartbeatView {
  state: HeartbeatState
  /** What has to be told at once when it changes. */
  facts: string
  /** The JSON for the column `snapshot`; made only when it is written. */
  snapshot: () => string
}

export interface HeartbeatOptions {
  clock: Clock
  conditions: Conditions
  version: string
  /** Milliseconds since 1970. */
  startedAt: number
  stateDirectory: string
  /** `[queue] heartbeat_interval`, milliseconds. */
  interval: () => number
}

/**
 * Tells Drupal how the daemon is: a row in the module's table at every interval, and at each change. The queue does
 * not depend on it: without the table, or where it cannot be written, work goes on.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #host = hostname()
  readonly #leaderId: string
  readonly #standbyId: string
  #told = ''
  #triedAt = Number.NEGATIVE_INFINITY
  #hasTable = true
  #lastRunAt = Number.NEGATIVE_INFINITY

  constructor(options: HeartbeatOptions) {
    this.#options = options
    const directory = createHash('sha256').update(options.stateDirectory).digest('hex').slice(0, 12)
    // The column has room for 64 characters. A standby shares the state directory with its leader.
    this.#leaderId = `${this.#host.slice(0, 32)}:${directory}`
    this.#standbyId = `${this.#leaderId}:${process.pid}`
  }

  /** A new connection may lead to another database: tell everything anew. */
  reconnected(): void {
    this.#told = ''
    this.#triedAt = Number.NEGATIVE_INFINITY
    this.#lastRunAt = Number.NEGATIVE_INFINITY
  }

  /** Writes the row when it is due. @throws DatabaseError when the connection is lost */
  async beat(connection: DatabaseConnection, view: HeartbeatView): Promise<void> {
    const { clock, interval } = this.#options
    const now = clock.monotonic()
    const facts = `${view.state} ${view.facts}`
    const isDue = now - this.#triedAt >= interval()
    if (!isDue && (facts === this.#told || !this.#hasTable)) return
    await this.#attempt(async () => {
      this.#hasTable = await this.#write(connection, view)
      this.#told = facts
      this.#triedAt = now
    })
  }

  /** Milliseconds until the row is to be written again, changed or not. */
  untilDue(): number {
    const { clock, interval } = this.#options
    return this.#triedAt + interval() - clock.monotonic()
  }

  /** Keeps Aegir's own note of the last run fresh. @throws DatabaseError when the connection is lost */
  async noteRun(connection: DatabaseConnection): Promise<void> {
    const { clock } = this.#options
    if (clock.monotonic() - this.#lastRunAt < LAST_RUN_INTERVAL) return
    await this.#attempt(async () => {
      await writeLastRun(connection, clock.now() / 1000)
      this.#lastRunAt = clock.monotonic()
    })
  }

  /** A standby takes its row away when it begins to lead, or leaves. Never throws. */
  async endStandby(connection: DatabaseConnection): Promise<void> {
    await this.#briefly(deleteDaemonRow(connection, this.#standbyId))
  }

  /** The last words. Never throws. */
  async farewell(connection: DatabaseConnection, view: HeartbeatView): Promise<void> {
    if (this.#hasTable) await this.#briefly(this.#write(connection, view))
  }

  #write(connection: DatabaseConnection, { state, snapshot }: HeartbeatView): Promise<boolean> {
    const { clock, version, startedAt } = this.#options
    return replaceDaemonRow(connection, {
      id: state === 'standby' ? this.#standbyId : this.#leaderId,
      host: this.#host.slice(0, 255),
      pid: process.pid,
      version: version.slice(0, 32),
      state,
      started: Math.floor(startedAt / 1000),
      heartbeat: Math.floor(clock.now() / 1000),
      snapshot: snapshot(),
    })
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    const { conditions, clock } = this.#options
    try {
      await work()
      conditions.end('heartbeat', 'Drupal is told again how the daemon is')
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault.kind === 'lost') throw error
      // Rolled back to end a deadlock: the next turn tries again.
      if (error.fault.kind === 'again') return
      this.#triedAt = clock.monotonic()
      this.#lastRunAt = clock.monotonic()
      conditions.begin('heartbeat', 'warn', 'Drupal cannot be told how the daemon is; tasks go on', { err: error })
    }
  }

  async #briefly(work: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => (timer = setTimeout(resolve, FAREWELL)))
    await Promise.race([work.catch(() => undefined), late])
    clearTimeout(timer)
  }
}
