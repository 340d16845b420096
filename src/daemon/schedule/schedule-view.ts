import type { ProcessTable } from '../../runner/process-table.js'
import { sessionState, shownProcess } from '../../runner/run-session.js'
import { isReadable, type UnreadableRecord } from '../../runner/run-store.js'
import type { CronTimes } from './cron-times.js'
import type { ScheduleBook } from './schedule-book.js'
import type { ScheduledOutcome, ScheduledRun, ScheduledRunStore } from './scheduled-run.js'

/** How many of the next times are told. */
const NEXT_TIMES = 5

/** How far the clock may have been set back without the times up to there being run again, in milliseconds: as in cron. */
export const CLOCK_TOLERANCE = 3 * 60 * 60_000

/** What `skynet schedule --json` prints; a part of the status too. Times are milliseconds since 1970. */
export interface ScheduleView {
  time_zone: string
  /** Why nothing is started now, in a sentence; null: nothing is in the way. */
  held: string | null
  commands: ScheduledCommand[]
}

export interface ScheduledCommand {
  name: string
  /** As skynet.conf has it. */
  expression: string
  /** The next times, at most five. */
  next: number[]
  /** A time that has come and is not answered yet; it is as soon as nothing holds it up. */
  due_since: number | null
  running: { run: string; pid: number | null; since: number; state: 'running' | 'orphaned' } | null
  last: LastScheduledRun | null
}

export interface LastScheduledRun {
  run: string
  due_at: number
  started_at: number | null
  /** null: it ended while no daemon looked on. */
  ended_at: number | null
  outcome: ScheduledOutcome | null
  exit_code: number | null
  signal: string | null
  /** File with what drush printed. */
  output: string
}

/** What the view asks of the runs on disk. */
export type KnownRuns = Pick<ScheduledRunStore, 'unsettledOf' | 'last' | 'answeredUntil' | 'settledOutputFile'>

/** Where nothing was ever run. */
export const NO_RUNS: KnownRuns = {
  unsettledOf: () => [],
  last: () => undefined,
  answeredUntil: () => undefined,
  settledOutputFile: () => '',
}

export interface ViewSources {
  schedule: Readonly<Record<string, string>>
  timeZone: string
  timesOf: (expression: string) => CronTimes
  store: KnownRuns
  book: ScheduleBook
  processes: ProcessTable
  now: number
  held: string | null
}

/** The schedule as configuration and disk tell it, whether or not a daemon runs. */
export function scheduleView(sources: ViewSources): ScheduleView {
  const { schedule, timeZone, held } = sources
  return {
    time_zone: timeZone,
    held,
    commands: Object.entries(schedule).map(([name, expression]) => commandView(name, expression, sources)),
  }
}

function commandView(name: string, expression: string, sources: ViewSources): ScheduledCommand {
  const { timesOf, store, now, processes } = sources
  const times = timesOf(expression)
  const running = store.unsettledOf(name).find((record) => isAlive(record, processes))
  const open = running ? undefined : times.next(openSince(name, expression, sources))
  const last = store.last(name)
  return {
    name,
    expression,
    next: times.list(now, NEXT_TIMES),
    due_since: open !== undefined && open <= now ? open : null,
    running: running
      ? {
          run: running.run,
          pid: shownProcess(processes, running),
          since: running.started_at ?? running.planned_at,
          state: running.state === 'orphaned' ? 'orphaned' : 'running',
        }
      : null,
    last: last ? lastView(last, store.settledOutputFile(last.run)) : null,
  }
}

/** Due times after this have yet to be answered. */
export function openSince(
  command: string,
  expression: string,
  { timeZone, store, book, now }: Pick<ViewSources, 'timeZone' | 'store' | 'book' | 'now'>,
): number {
  const answered = store.answeredUntil(command, now + CLOCK_TOLERANCE) ?? 0
  return Math.max(book.since(command, expression, timeZone) ?? now, answered)
}

function isAlive(record: ScheduledRun | UnreadableRecord, processes: ProcessTable): record is ScheduledRun {
  if (!isReadable(record) || record.child === null || record.state === 'ended') return false
  // Its shell leaves with drush, so that the note need not be read.
  return sessionState(processes, record.child, false).kind !== 'empty'
}

function lastView(record: ScheduledRun, output: string): LastScheduledRun {
  const { run, due_at, started_at, ended_at, outcome, exit } = record
  return {
    run,
    due_at,
    started_at,
    ended_at,
    outcome,
    exit_code: exit?.kind === 'code' ? exit.code : null,
    signal: exit?.kind === 'signal' ? exit.signal : null,
    output,
  }
}
