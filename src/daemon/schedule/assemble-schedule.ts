import type { Config } from '../../config/schema.js'
import type { Conditions } from '../../observe/conditions.js'
import type { Logger } from '../../observe/logger.js'
import type { ProcessIdentity, ProcessTable } from '../../runner/process-table.js'
import type { ChildSurroundings } from '../../runner/run-shell.js'
import type { Clock } from '../clock.js'
import type { DrushOutage } from '../drush-outage.js'
import { Schedule } from './schedule.js'
import { ScheduleBook } from './schedule-book.js'
import { ScheduledRunStore } from './scheduled-run.js'
import { ScheduledRuns } from './scheduled-runs.js'

export interface ScheduleSurroundings {
  settings: () => Config
  processes: ProcessTable
  clock: Clock
  logger: Logger
  conditions: Conditions
  surroundings: ChildSurroundings
  self: ProcessIdentity
  outage: DrushOutage
  /** Something happened: the loop has to look. */
  changed: () => void
}

/** The parts of the daemon that run `[schedule]`. @throws SkynetError when their folder cannot be used */
export function assembleSchedule(options: ScheduleSurroundings): { schedule: Schedule; scheduledRuns: ScheduledRuns } {
  const { settings, processes, clock, logger, conditions, surroundings, self, outage, changed } = options
  const { dir } = settings().state
  const store = new ScheduledRunStore(dir)
  const book = new ScheduleBook(dir)
  const drushFails = (reason: string): void => {
    const isNew = outage.state.kind === 'working'
    outage.stillOut(reason)
    if (isNew) logger.warn({ reason }, 'drush does not work; nothing is started until it does, and no task is blamed')
  }
  const runs = new ScheduledRuns({
    store,
    processes,
    clock,
    logger,
    conditions,
    surroundings,
    self,
    settings: () => {
      const { drush, state } = settings()
      return { drush, outputLimit: state.output_limit, keepBytes: state.keep_bytes }
    },
    settled: (command) => {
      schedule.settled(command)
      changed()
    },
    drushFails,
  })
  const schedule = new Schedule({ settings, store, book, runs, processes, clock, logger, conditions, drushFails })
  return { schedule, scheduledRuns: runs }
}
