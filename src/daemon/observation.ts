import type { Config } from '../config/schema.js'
import type { Conditions } from '../observe/conditions.js'
import type { DaemonEvent } from '../observe/event.js'
import type { Logger } from '../observe/logger.js'
import { Metrics, loadPrometheus } from '../observe/metrics.js'
import { Notifier } from '../observe/notifier.js'
import type { ChildSurroundings } from '../runner/run-shell.js'
import type { Clock } from './clock.js'
import type { DaemonParts } from './daemon-parts.js'
import { eventTask } from './event-task.js'
import { gaugesOf } from './gauges.js'
import { LateQueue } from './late-queue.js'
import { MetricsServer, type Answer } from './metrics-server.js'
import { OverlongRuns } from './overlong-runs.js'
import { waitingTasks } from './plan-input.js'
import { reasonsOf, sayReason } from './status-of.js'
import type { Role } from './status.js'

/** How long a daemon that has nothing else left to do waits for its notifications to get out, in milliseconds. */
const LAST_WORDS = 10_000

export interface ObservationOptions {
  version: string
  clock: Clock
  logger: Logger
  conditions: Conditions
  settings: () => Config
  surroundings: ChildSurroundings
  parts: () => DaemonParts
  daemon: () => { role: Role; isConnected: boolean; polledInTime: boolean; mayHang: boolean }
}

/** What people and programs outside learn of the daemon as it happens: `[metrics]` and `[notify]`. */
export class Observation {
  readonly #options: ObservationOptions
  readonly #notifier: Notifier
  readonly #server: MetricsServer
  readonly #overlong = new OverlongRuns()
  readonly #late: LateQueue
  #metrics: Metrics | undefined
  #leads = false
  #knowsQueue = false

  constructor(options: ObservationOptions) {
    this.#options = options
    const { clock, logger, conditions, settings, surroundings, parts } = options
    this.#notifier = new Notifier({
      logger,
      conditions,
      program: () => settings().notify.on_failure,
      database: () => settings().database.db,
      surroundings,
      now: () => clock.now(),
      pause: (ms, signal) => clock.pause(ms, signal),
    })
    this.#late = new LateQueue({
      logger,
      tell: (event) => this.tell(event),
      limit: () => settings().notify.queue_age,
      why: (nid) => {
        const reason = reasonsOf(parts()).get(nid)
        return reason ? sayReason(parts())(reason) : 'It starts next.'
      },
    })
    this.#server = new MetricsServer({
      logger,
      conditions,
      clock,
      listen: () => settings().metrics.listen,
      load: () => this.#load(),
      pages: { '/metrics': () => this.#page(), '/livez': () => this.#livez(), '/readyz': () => this.#readyz() },
    })
  }

  tell(event: DaemonEvent): void {
    if (event.kind === 'polled') this.#knowsQueue = true
    this.#metrics?.note(event)
    this.#notifier.note(event)
  }

  /** Has the metrics served where they are to be; called wherever the daemon's loop comes round. */
  keep(): void {
    this.#server.keep(this.#options.daemon().role === 'leader')
  }

  /** Tells when the lead has been won or lost since the last call; again after a lost connection is no change. */
  leads(leads: boolean, reason: string | null): void {
    if (!leads) {
      this.#knowsQueue = false
      this.#server.yield()
    }
    if (leads === this.#leads) return
    this.#leads = leads
    this.tell({ kind: 'leadership changed', leads, reason })
  }

  /** Looks at what only time brings about: runs that go on and on, tasks that wait and wait. */
  look(): void {
    const { clock, logger } = this.#options
    const parts = this.#options.parts()
    const [now, monotonic] = [clock.now(), clock.monotonic()]
    const running = parts.keeper.active.flatMap((active) => (active.phase === 'following' ? [active.run.record] : []))
    for (const { record, age, usual } of this.#overlong.look(
      running,
      parts.durations.usualDurations(),
      now,
      monotonic,
    )) {
      const task = eventTask(record)
      logger.warn({ ...task, age_ms: age, usual_p95_ms: usual }, 'task takes much longer than usual; it may hang')
      this.tell({ kind: 'task overlong', task, age, usual })
    }
    this.#late.look(() => waitingTasks(parts), now, monotonic)
  }

  /** Waits a little until what has happened is told; for a daemon that leaves without haste. */
  async lastWords(): Promise<void> {
    const enough = new AbortController()
    await Promise.race([this.#notifier.drained(), this.#options.clock.pause(LAST_WORDS, enough.signal)])
    enough.abort()
  }

  /** Idempotent. */
  stop(): void {
    this.#server.stop()
    this.#notifier.stop()
  }

  async #load(): Promise<void> {
    const { version, clock } = this.#options
    if (this.#metrics) return
    const prometheus = await loadPrometheus().catch((cause: unknown) => {
      throw new Error('prom-client cannot be loaded; after an upgrade, restart the daemon', { cause })
    })
    this.#metrics = new Metrics(prometheus, version, () => clock.now())
  }

  async #page(): Promise<Answer> {
    const { daemon, parts } = this.#options
    const { role, isConnected } = daemon()
    if (!this.#metrics) throw new Error('metrics are not loaded')
    const state = { leads: role === 'leader', databaseUp: isConnected, knowsQueue: this.#knowsQueue }
    const text = await this.#metrics.text(gaugesOf(parts(), state))
    return { status: 200, type: this.#metrics.contentType, text }
  }

  /** Whether the loop turns; nothing outside this process can make it say no. */
  #livez(): Answer {
    return this.#options.daemon().mayHang ? answer('no poll is completed although the database answers') : answer()
  }

  /** Whether the daemon does what it is there for, or could at once. */
  #readyz(): Answer {
    const { role, isConnected, polledInTime } = this.#options.daemon()
    if (!isConnected) return answer('the database is not usable')
    if (role !== 'leader' && role !== 'standby') return answer('neither leader nor standby')
    return polledInTime ? answer() : answer('the last poll is too old')
  }
}

function answer(fault?: string): Answer {
  return { status: fault === undefined ? 200 : 503, type: 'text/plain; charset=utf-8', text: `${fault ?? 'ok'}\n` }
}
