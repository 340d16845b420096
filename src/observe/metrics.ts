import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { DaemonEvent } from './event.js'

export type Prometheus = typeof import('prom-client')

/**
 * The library, loaded only by a daemon that is to serve metrics: 3 MB of an idle daemon's memory. One that is told so
 * while it runs loads it then, and goes on without metrics should an upgrade have taken the file away.
 */
export const loadPrometheus = (): Promise<Prometheus> => import('prom-client')

/** What is measured in the moment in which somebody asks. */
export interface Gauges {
  running: number
  /** Waiting tasks by why they do not start now; every reason is there, most of them with 0. */
  waiting: Readonly<Record<string, number>>
  /** Seconds; 0 when nothing waits. */
  oldestWaiting: number
  databaseUp: boolean
  leads: boolean
}

/** Upper limits of the buckets, in seconds. Aegir's own limit for a task is 8 hours. */
const DURATIONS = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 28_800]
/** Aegir notes in whole seconds when a task was queued. */
const WAITS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 28_800, 86_400]
const POLLS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Task types that get a label of their own; Aegir with its usual modules has about thirty. */
const MOST_TYPES = 64
const TYPE = /^[a-z][a-z0-9_-]{0,63}$/

/**
 * Skynet's metrics as Prometheus reads them. A label is a word out of a small set, never a nid, a title or a host name:
 * each value is a time series that the monitoring keeps, and what names a client's site is not for everybody.
 */
export class Metrics {
  readonly #registry: Registry
  readonly #tasks: Counter<'type' | 'outcome'>
  readonly #duration: Histogram<'type'>
  readonly #wait: Histogram
  readonly #poll: Histogram
  readonly #lastPoll: Gauge
  readonly #set: (gauges: Gauges) => void
  readonly #now: () => number
  readonly #types = new Set<string>()

  /** @param now milliseconds since 1970 */
  constructor({ Counter, Gauge, Histogram, Registry }: Prometheus, version: string, now: () => number) {
    const registry = new Registry()
    const registers = [registry]
    this.#registry = registry
    this.#now = now
    this.#tasks = new Counter({
      name: 'skynet_tasks_total',
      help: 'Runs that have been settled, by type of their task and outcome.',
      labelNames: ['type', 'outcome'],
      registers,
    })
    this.#duration = new Histogram({
      name: 'skynet_task_duration_seconds',
      help: 'How long runs took that did their task, whatever its end, by type.',
      labelNames: ['type'],
      buckets: DURATIONS,
      registers,
    })
    this.#wait = new Histogram({
      name: 'skynet_task_wait_seconds',
      help: 'How long tasks had been queued when their run was started.',
      buckets: WAITS,
      registers,
    })
    this.#poll = new Histogram({
      name: 'skynet_poll_duration_seconds',
      help: 'How long polls of the queue took.',
      buckets: POLLS,
      registers,
    })
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
    this.#lastPoll = gauge(
      'skynet_last_poll_timestamp_seconds',
      'When the last poll was completed, in seconds since 1970; 0 when there was none.',
    )
    const running = gauge('skynet_tasks_running', 'Runs that hold a slot now.')
    const waiting = new Gauge({
      name: 'skynet_tasks_waiting',
      help: 'Tasks that wait now, by why they do not start.',
      labelNames: ['reason'],
      registers,
    })
    const oldest = gauge(
      'skynet_oldest_waiting_seconds',
      'How long the oldest waiting task has waited; 0 when none waits.',
    )
    const databaseUp = gauge('skynet_db_up', 'Whether the database is usable (1) or not (0).')
    const leader = gauge('skynet_leader', 'Whether this daemon leads (1) or not (0).')
    new Gauge({
      name: 'skynet_build_info',
      help: 'Always 1; the labels say which Skynet and Node.js this is.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.version }, 1)
    this.#set = (gauges) => {
      running.set(gauges.running)
      for (const [reason, count] of Object.entries(gauges.waiting)) waiting.set({ reason }, count)
      oldest.set(gauges.oldestWaiting)
      databaseUp.set(Number(gauges.databaseUp))
      leader.set(Number(gauges.leads))
    }
  }

  note(event: DaemonEvent): void {
    switch (event.kind) {
      case 'polled':
        this.#poll.observe(event.duration / 1000)
        this.#lastPoll.set(this.#now() / 1000)
        return
      case 'task started':
        this.#wait.observe(event.waited / 1000)
        return
      case 'task settled': {
        const { outcome, givenUp, duration } = event
        const type = this.#typeLabel(event.task.type)
        this.#tasks.inc({ type, outcome: givenUp ? 'given_up' : outcome.replaceAll(' ', '_') })
        const hasWorked = outcome === 'success' || outcome === 'warning' || outcome === 'error'
        if (hasWorked && duration !== null) this.#duration.observe({ type }, duration / 1000)
        return
      }
      case 'task parked':
      case 'task overlong':
      case 'leadership changed':
      case 'database lost':
      case 'database back':
      case 'queue late':
      case 'queue in time':
        return
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(gauges: Gauges): Promise<string> {
    this.#set(gauges)
    return this.#registry.metrics()
  }

  /** Who can write rows into the task table must not be able to make time series without end. */
  #typeLabel(type: string): string {
    if (this.#types.has(type)) return type
    if (!TYPE.test(type) || this.#types.size >= MOST_TYPES) return 'other'
    this.#types.add(type)
    return type
  }
}
