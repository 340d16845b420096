import type { Config } from '../../config/schema.js'
import type { Conditions } from '../../observe/conditions.js'
import type { Logger } from '../../observe/logger.js'
import type { ProcessTable } from '../../runner/process-table.js'
import type { Clock } from '../clock.js'
import { endDiskFault, isDiskFault, tellDiskFault } from '../disk-fault.js'
import { CronTimes } from './cron-times.js'
import type { ScheduleBook } from './schedule-book.js'
import type { ScheduledRunStore } from './scheduled-run.js'
import type { ScheduledRuns } from './scheduled-runs.js'
import { CLOCK_TOLERANCE, openSince, scheduleView, type ScheduleView } from './schedule-view.js'
import { zoneName } from './zone-clock.js'

export interface ScheduleOptions {
  settings: () => Config
  store: ScheduledRunStore
  book: ScheduleBook
  runs: ScheduledRuns
  processes: ProcessTable
  clock: Clock
  logger: Logger
  conditions: Conditions
  /** drush itself does not work, or no process could be made. */
  drushFails: (reason: string) => void
}

/** A command of `[schedule]` with the time that comes next for it; undefined: there is none. */
interface Plan {
  expression: string
  times: CronTimes
  next: number | undefined
  /** The run at whose side a due time was left out; told once. */
  toldBeside?: string
}

/**
 * Runs the commands of `[schedule]` at their times. A due time is open from the moment that it comes until a run answers
 * it. While something holds it up (a pause, an outage, no daemon at all) it stays open, and one run answers all that
 * have come by then. While a run of the same command goes on, the times that come are left out instead: that run
 * answers them too.
 *
 *     next ──its time comes──▶ open ──record on disk──▶ answered
 *                               └─ the daemon dies before there is a child: the record is removed, open again ─┘
 *
 * What has been answered is read from the disk, so that the next daemon, or another one that led in between, goes on
 * where this one was. There are no timers: the loop of the leader asks whether something is due.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #plans = new Map<string, Plan>()
  readonly #times = new Map<string, CronTimes>()
  /** The configuration that the plans were made from. */
  #madeFrom: { schedule: Config['schedule']; timeZone: string | null } | undefined
  #zone: { configured: string | null; name: string } | undefined
  #lookedAt = 0

  constructor(options: ScheduleOptions) {
    this.#options = options
  }

  /** Takes over what earlier daemons left. */
  takeOver(): void {
    const { runs, book } = this.#options
    runs.adopt()
    book.reread()
    this.#madeFrom = undefined
  }

  /** The run of this command is settled; what comes next depends on it. */
  settled(command: string): void {
    const plan = this.#plans.get(command)
    if (plan) this.#look(command, plan)
  }

  /** Milliseconds until a time comes; what is open already waits for something else. */
  wait(): number {
    const now = this.#options.clock.now()
    const ahead = [...this.#plans.values()].flatMap(({ next }) =>
      next === undefined || next <= now ? [] : [next - now],
    )
    return Math.min(Number.POSITIVE_INFINITY, ...ahead)
  }

  /** Looks what time it is. @returns whether a due time is open that could be answered. */
  isDue(): boolean {
    const { clock, runs, book, conditions } = this.#options
    this.#follow()
    try {
      if (book.write()) endDiskFault(conditions)
    } catch (error) {
      tellDiskFault(conditions, error)
    }
    const now = clock.now()
    let isDue = false
    for (const [command, plan] of this.#plans) {
      if (!isOpen(plan, now)) continue
      if (runs.find(command)) this.#leaveOut(command, plan)
      else isDue = true
    }
    return isDue
  }

  /** Starts what is due; the caller has made sure that we lead and that nothing holds it up. */
  start(): void {
    const { clock, runs, logger, conditions, drushFails } = this.#options
    for (const [command, plan] of this.#plans) {
      if (!isOpen(plan, clock.now()) || runs.find(command)) continue
      // The disk knows best what has been answered, and by whom.
      this.#look(command, plan)
      const dueAt = plan.next
      if (dueAt === undefined || dueAt > clock.now()) continue
      if (runs.isBusy(command)) {
        // Of a daemon that took itself for the leader when we already were.
        runs.adopt()
        continue
      }
      try {
        runs.start(command, dueAt)
      } catch (error) {
        if (isDiskFault(error) && !error.syscall?.startsWith('spawn')) {
          tellDiskFault(conditions, error)
          return
        }
        logger.error({ err: error, command }, 'no process could be made for a scheduled command')
        drushFails(`no process could be made: ${error instanceof Error ? error.message : String(error)}`)
        return
      }
      this.#look(command, plan)
    }
  }

  /** @param held why nothing is started now, in a sentence. */
  view(held: string | null): ScheduleView {
    const { settings, store, book, processes, clock } = this.#options
    const { schedule } = settings()
    const timeZone = this.#timeZone()
    const timesOf = (expression: string): CronTimes => this.#timesOf(expression, timeZone)
    return scheduleView({ schedule, timeZone, timesOf, store, book, processes, now: clock.now(), held })
  }

  /** Follows the configuration, and a clock that was wrong by far: what it has led to counts no longer. */
  #follow(): void {
    const { settings, book, clock } = this.#options
    const { schedule, cron } = settings()
    const now = clock.now()
    const isSetBack = now + CLOCK_TOLERANCE < this.#lookedAt
    this.#lookedAt = now
    if (!isSetBack && this.#madeFrom?.schedule === schedule && this.#madeFrom.timeZone === cron.time_zone) return
    this.#madeFrom = { schedule, timeZone: cron.time_zone }
    // Not asked for where there is no schedule: a daemon that starts would be the slower for it.
    const timeZone = () => this.#timeZone()
    book.note(schedule, timeZone, now, now + CLOCK_TOLERANCE)
    this.#plans.clear()
    for (const [command, expression] of Object.entries(schedule)) {
      const plan: Plan = { expression, times: this.#timesOf(expression, timeZone()), next: undefined }
      this.#plans.set(command, plan)
      this.#look(command, plan)
    }
  }

  /** Found out once: it takes a third of a millisecond, and each status asks for it. */
  #timeZone(): string {
    const configured = this.#options.settings().cron.time_zone
    if (this.#zone?.configured !== configured) this.#zone = { configured, name: zoneName(configured) }
    return this.#zone.name
  }

  #timesOf(expression: string, timeZone: string): CronTimes {
    const key = `${timeZone} ${expression}`
    const times = this.#times.get(key) ?? new CronTimes(expression, timeZone)
    this.#times.set(key, times)
    return times
  }

  /** Which due time comes next, or is open. */
  #look(command: string, plan: Plan): void {
    const { store, book, clock } = this.#options
    const sources = { timeZone: this.#timeZone(), store, book, now: clock.now() }
    plan.next = plan.times.next(openSince(command, plan.expression, sources))
  }

  #leaveOut(command: string, plan: Plan): void {
    const { runs, logger } = this.#options
    const run = runs.find(command)?.run
    if (run === undefined || plan.toldBeside === run) return
    plan.toldBeside = run
    logger.info({ command, run }, 'scheduled command still runs at its next time; that time is left out')
  }
}

function isOpen({ next }: Plan, now: number): boolean {
  return next !== undefined && next <= now
}
