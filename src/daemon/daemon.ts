import { join } from 'node:path'
import { SkynetError } from '../config/skynet-error.js'
import { DatabaseConnection, DatabaseError } from '../hostmaster/connection.js'
import { meetCluster } from '../hostmaster/galera.js'
import { LEADER_WAIT_TIMEOUT, LeaderLock } from '../hostmaster/leader-lock.js'
import { assembleDaemon, type DaemonServices } from './assemble-daemon.js'
import { ConfigurationChanged } from './configuration-changed.js'
import { answerRequest } from './control-answers.js'
import { ControlServer } from './control-server.js'
import type { DaemonOptions } from './daemon-options.js'
import type { DaemonParts } from './daemon-parts.js'
import { Departure } from './departure.js'
import type { HeartbeatState, HeartbeatView } from './heartbeat.js'
import { isQueueDrained } from './queue-drained.js'
import { Lead } from './lead.js'
import { LeadershipLost } from './leadership-lost.js'
import { requireHostmaster } from './require-hostmaster.js'
import { snapshotFacts, snapshotOf, startingRuns } from './snapshot.js'
import { standBy } from './stand-by.js'
import { someoneListens } from './socket-file.js'
import { StuckDaemon } from './stuck-daemon.js'
import { statusOf } from './status-of.js'
import type { Role, Status } from './status.js'
import { unusableDatabase } from './unusable-database.js'

/**
 * The daemon. Its role is one of
 *
 * - connecting: there is no connection to the database (yet, or any more);
 * - standby: another daemon leads; we wait at the server for its lock;
 * - leader: we hold the lock and work on the queue;
 * - stopping: on the way out.
 *
 * Losing the database leads from any role back to connecting, losing the lock too, and from there to standby or to
 * leader. Runs are followed in every role; they are started and adopted by the leader alone.
 */
export class Daemon {
  readonly #options: DaemonOptions
  readonly #services: DaemonServices
  readonly #parts: DaemonParts
  readonly #control: ControlServer
  readonly #departure: Departure
  #role: Role = 'starting'
  #stopped: Promise<void> | undefined
  #lock: LeaderLock | undefined
  #connection: DatabaseConnection | undefined
  #connectedSince: number | null = null
  #lead: Lead | undefined
  #lastError: { at: number; message: string } | null = null
  #isReady = false
  /** The connection that last had the lock for us. */
  #lockedBy: number | undefined
  #hasLeft = false
  /** Sessions in a row that ended before the database had proved to be usable. */
  #failures = 0

  /** @throws SkynetError */
  constructor(options: DaemonOptions) {
    this.#options = options
    this.#departure = new Departure(options.clock)
    this.#services = assembleDaemon(options, {
      role: () => this.#role,
      isConnected: () => this.#connectedSince !== null,
      ending: () => this.#lead?.expectEnd(),
      draining: () => this.#departure.isAsked,
      polled: () => this.#isServed(),
    })
    const { parts, waker } = this.#services
    this.#parts = parts
    this.#control = new ControlServer(join(options.configuration.current.state.dir, 'control.sock'), (request) =>
      answerRequest(
        parts,
        {
          status: () => this.status(),
          wake: () => waker.wake(),
          stop: (how) => this.stop(how),
          reload: () => this.reload(),
          setLogLevel: (level, forMs) => this.#setLogLevel(level, forMs),
        },
        request,
      ),
    )
  }

  /** Starts; resolves when the daemon has left, rejects with why it could not go on. Idempotent. */
  start(): Promise<void> {
    this.#stopped ??= Promise.race([this.#main(), this.#services.selfCheck.watch().then(() => this.#giveUp())])
    return this.#stopped
  }

  /** Settled when the daemon has left. */
  get stopped(): Promise<void> {
    return this.start()
  }

  /** Asks the daemon to leave; `finish` waits for the running tasks, a later `leave` no longer. Idempotent. */
  stop(how: 'finish' | 'leave'): void {
    if (!this.#departure.ask(how)) return
    const running = this.#running()
    const isContending = this.#role === 'standby'
    if (how === 'finish') this.#parts.logger.info({ running }, 'leaving when the running tasks have ended')
    else this.#role = 'stopping'
    // A standby waits at the server for the lock; with nothing left to wait for here, that has to end.
    if (isContending && (how === 'leave' || running === 0)) this.#lock?.destroy()
    this.#services.waker.wake()
  }

  /** Reads the configuration again, changed or not, and opens the log anew. */
  reload(): void {
    const { configuration, waker } = this.#services
    this.#options.log.reopen()
    configuration.reread()
    this.#lead?.pollNow()
    waker.wake()
  }

  changeLogLevel(by: -1 | 1): void {
    this.#services.configuration.changeLogLevel(by)
  }

  #setLogLevel(level: string, forMs: number | null): string {
    const { configuration, waker } = this.#services
    configuration.setLogLevel(level, forMs)
    waker.wake()
    return configuration.current.log.level
  }

  status(): Status {
    const { startedAt, standbys } = this.#services
    return statusOf(this.#parts, {
      version: this.#options.version,
      role: this.#role,
      startedAt,
      connectedSince: this.#connectedSince,
      standbys: standbys.list(),
      pauses: this.#parts.pauses.list(),
      lastError: this.#lastError,
    })
  }

  async #main(): Promise<void> {
    const { logger } = this.#parts
    const { observation, waker } = this.#services
    const { version } = this.#options
    logger.info({ version, node: process.version, pid: process.pid }, 'skynet starts')
    try {
      while (!this.#isLeaving()) {
        observation.keep()
        try {
          await Promise.race([this.#session(), this.#departure.overdue])
        } catch (error) {
          if (this.#isLeaving()) break
          if (error instanceof SkynetError) throw error
          this.#noteFault(error)
          const { backOff } = this.#options.limits
          const wait = backOff[Math.min(this.#failures, backOff.length - 1)] ?? 10_000
          this.#failures += 1
          if (!(error instanceof ConfigurationChanged)) await waker.wait(wait * (0.75 + Math.random() / 2))
        }
      }
      if (!this.#departure.isAtOnce) await Promise.race([observation.lastWords(), this.#departure.overdue])
    } finally {
      this.#letGo()
    }
  }

  /** Leaves everything to whoever comes next: the children go on. Idempotent. */
  #letGo(): void {
    const { logger, keeper, scheduledRuns } = this.#parts
    const { selfCheck, observation, standbys } = this.#services
    this.#role = 'stopping'
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#departure.end()
    selfCheck.stop()
    observation.stop()
    this.#control.stop()
    this.#lead?.stop()
    standbys.stop()
    const running = this.#running()
    keeper.releaseAll()
    scheduledRuns.releaseAll()
    logger.info({ running }, 'skynet leaves')
    this.#options.log.flush()
  }

  /** The loop does not come back although the database answers: this process is of no use any more. */
  #giveUp(): never {
    this.#departure.ask('leave')
    this.#lock?.destroy()
    this.#connection?.destroy()
    this.#parts.logger.fatal('no poll has completed for a minute although the database answers; leaving')
    this.#letGo()
    throw new StuckDaemon()
  }

  /** From a connection to its loss. @throws DatabaseError, LeadershipLost, SkynetError */
  async #session(): Promise<void> {
    const { logger, lockRow, clock } = this.#parts
    const { configuration, observation, heartbeat } = this.#services
    this.#role = 'connecting'
    await configuration.look()
    await this.#listen()
    try {
      const address = await this.#options.resolveAddress()
      this.#connection = await DatabaseConnection.open(address, this.#options.limits.database)
      await requireHostmaster(this.#connection, address.db, this.#isReady || this.#options.wait)
      lockRow.servedBy({ cluster: await meetCluster(this.#connection) })
      this.#lock = await LeaderLock.open(address, this.#options.limits.database)
      this.#connectedSince = clock.now()
      heartbeat.reconnected()
      while (!this.#isLeaving()) {
        if (await this.#contend(this.#connection, this.#lock)) {
          logger.info({ database: address.db }, 'leading')
          observation.leads(true, null)
          await heartbeat.endStandby(this.#connection)
          await this.#leads(this.#connection, this.#lock)
        }
      }
    } finally {
      this.#lead = undefined
      this.#connectedSince = null
      const [lock, connection] = [this.#lock, this.#connection]
      this.#lock = undefined
      this.#connection = undefined
      await Promise.all([lock?.close(), connection?.close()])
    }
  }

  /** The database does what we need of it: an outage, if there was one, is over. */
  #isServed(): void {
    const { conditions, clock } = this.#parts
    const { selfCheck, observation } = this.#services
    this.#failures = 0
    selfCheck.polled()
    const lost = conditions.get('database')
    if (lost) {
      conditions.end('database', 'database is back')
      observation.tell({ kind: 'database back', duration: Math.max(0, clock.now() - lost.since) })
    }
    conditions.end('leadership', 'leadership is settled again')
  }

  /** Tries for the leader lock, and waits for it where that is wanted. @returns whether it is ours. */
  async #contend(connection: DatabaseConnection, lock: LeaderLock): Promise<boolean> {
    if (await this.#acquire(lock)) return true
    if (this.#isLeaving()) return false
    if (!this.#options.standby || (this.#options.once && !this.#isReady)) {
      const flags = [!this.#options.standby && '--no-standby', this.#options.once && '--once']
        .filter(Boolean)
        .join(' and ')
      throw new SkynetError('ALREADY_RUNNING', 'Another daemon leads this hostmaster.', {
        remedy: `See it with: skynet status   (without ${flags} this one would wait to take over)`,
      })
    }
    const { configuration, heartbeat, observation, standbys, selfCheck } = this.#services
    this.#role = 'standby'
    standbys.announce(this.#parts.clock.now())
    this.#parts.logger.info('standing by; another daemon leads')
    observation.leads(false, 'another daemon leads')
    this.#tellReady('standby')
    this.#isServed()
    return standBy(connection, lock, {
      parts: this.#parts,
      configuration,
      heartbeat,
      observation,
      view: (state) => this.#view(state),
      answered: () => selfCheck.polled(),
      isLeaving: () => this.#isLeaving(),
    })
  }

  /** Waits for nobody but ourselves: the server may still hold our own last connection, and with it the lock. */
  async #acquire(lock: LeaderLock): Promise<boolean> {
    for (let second = 0; second <= LEADER_WAIT_TIMEOUT && !this.#isLeaving(); second += 1) {
      if (await lock.acquire(Math.min(second, 1))) return !this.#departure.isAtOnce
      const holder = await lock.holder()
      // The database answers: that is all that can be asked of a daemon that waits.
      this.#services.selfCheck.polled()
      if (holder !== null && holder !== this.#lockedBy) return false
    }
    return false
  }

  async #leads(connection: DatabaseConnection, lock: LeaderLock): Promise<void> {
    const { waker, configuration, heartbeat, observation, standbys, pruner, restCollection } = this.#services
    this.#role = 'leader'
    this.#lockedBy = lock.connectionId
    standbys.stop()
    await this.#listen(true)
    this.#lead = new Lead(connection, lock, {
      parts: this.#parts,
      waker,
      configuration,
      heartbeat,
      observation,
      chores: () => {
        pruner.pruneWhenDue()
        restCollection.look(this.#running() > 0)
      },
      ready: () => this.#tellReady('leader'),
      view: (state) => this.#view(state),
      leaving: () => (this.#departure.isAtOnce ? 'at once' : this.#isDrained() ? 'drained' : 'no'),
    })
    await this.#lead.run()
  }

  #view(state: HeartbeatState): HeartbeatView {
    const { modified } = this.#options.configuration
    return {
      state,
      facts: snapshotFacts(this.#parts),
      snapshot: () => snapshotOf(this.status(), startingRuns(this.#parts), modified),
    }
  }

  #isLeaving(): boolean {
    return this.#departure.isAtOnce || this.#isDrained()
  }

  /** How many of our children are alive, or have yet to be settled. */
  #running(): number {
    const { keeper, scheduledRuns } = this.#parts
    return keeper.active.length + scheduledRuns.active.length
  }

  /** Whether there is nothing left to wait for, for a daemon that was asked to finish. */
  #isDrained(): boolean {
    const { reader, keeper, scheduledRuns } = this.#parts
    // What was lost to a daemon that may not follow it is adopted before we go, unless another one leads: it has done so.
    const hasLostRuns = this.#role !== 'standby' && (keeper.hasLostRuns || scheduledRuns.hasLostRuns)
    if (this.#running() > 0 || hasLostRuns) return false
    if (this.#departure.isAsked) return true
    if (!this.#options.once || !reader.complete || this.#role !== 'leader') return false
    return isQueueDrained(this.#parts)
  }

  #noteFault(error: unknown): void {
    const { conditions, clock, settings } = this.#parts
    const { selfCheck, observation, configuration } = this.#services
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof LeadershipLost || error instanceof ConfigurationChanged) return
    this.#lastError = { at: clock.now(), message }
    if (!(error instanceof DatabaseError)) {
      conditions.begin('fault', 'error', 'something unexpected went wrong; trying again', { err: error })
      return
    }
    const { fault } = error
    if (fault.kind !== 'lost') selfCheck.notServed()
    if (!this.#isReady && !this.#options.wait) throw unusableDatabase(error, settings().database)
    if (
      conditions.begin('database', 'warn', 'database is not usable; waiting for it', { err: error, kind: fault.kind })
    )
      observation.tell({ kind: 'database lost', error: message })
    if (fault.kind === 'refused') configuration.reread()
  }

  #tellReady(role: 'leader' | 'standby'): void {
    this.#isReady = true
    this.#options.ready?.(role)
  }

  /** Listens for requests; while another daemon answers them, a leader takes the place and anybody else stays quiet. */
  async #listen(leads = false): Promise<void> {
    const { logger } = this.#parts
    try {
      if (leads || !(await someoneListens(this.#control.path))) await this.#control.start(leads)
    } catch (error) {
      logger.warn({ err: error }, 'control socket cannot be made; skynet status will not find this daemon')
    }
  }
}
