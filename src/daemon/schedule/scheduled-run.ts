import { join } from 'node:path'
import * as v from 'valibot'
import { number } from '../../config/json-number.js'
import { runLifeSchema, runTimestamp } from '../../runner/run-record.js'
import { RunStoreOf, isReadable, type UnreadableRecord } from '../../runner/run-store.js'

/** What a drush command that is run at its time can come to. */
const outcome = v.picklist([
  'success',
  /** drush exited with another status than 0, or was ended. */
  'error',
  /** drush itself did not work and never got to the command: its time is still to be answered. */
  'outage',
])

/**
 * The record of a scheduled run: one drush command of the hostmaster site at one due time. It is never mistaken for a
 * task's, because it lies in a store of its own. Its life is that of every run (runner/run-record.ts), without slot,
 * locks and claim; it is settled from its exit status alone.
 */
export const scheduledRunSchema = v.object({
  ...runLifeSchema.entries,
  run: v.pipe(v.string(), v.regex(/^\d{8}T\d{9}Z-[a-z][a-z0-9:_-]{0,99}$/)),
  command: v.string(),
  /** The time for which it was started. */
  due_at: number,
  /** Due times up to here need no run any more: this one answers them, or was still running when they came. */
  answered_until: number,
  outcome: v.nullable(outcome),
})

export type ScheduledRun = v.InferOutput<typeof scheduledRunSchema>
export type ScheduledOutcome = v.InferOutput<typeof outcome>

/** `20261120T030000000Z-hosting-dispatch`: whoever starts a command for a due time gives its run the same name. */
export function scheduledRunName(command: string, dueAt: number): string {
  return `${runTimestamp(dueAt)}-${command}`
}

/** The command and the due time that a run's name names; undefined for a name that is not of that form. */
export function partsOfRunName(run: string): { command: string; dueAt: number } | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-(.+)$/.exec(run)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, ms, command = ''] = match
  return { command, dueAt: Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`) }
}

/** `DIR/schedule/runs` and `DIR/schedule/history`. */
export class ScheduledRunStore extends RunStoreOf<ScheduledRun> {
  /** @param stateDirectory `[state] dir` @throws SkynetError */
  constructor(stateDirectory: string) {
    super(join(stateDirectory, 'schedule'), scheduledRunSchema)
  }

  /** Names of the settled runs of a command, oldest first. */
  historyOf(command: string): string[] {
    return this.historyNames().filter((run) => partsOfRunName(run)?.command === command)
  }

  /** The runs of a command that are not settled. */
  unsettledOf(command: string): (ScheduledRun | UnreadableRecord)[] {
    return this.list().filter(({ run }) => partsOfRunName(run)?.command === command)
  }

  /** The last settled run of a command. */
  last(command: string): ScheduledRun | undefined {
    for (const run of this.historyOf(command).reverse()) {
      const record = this.readHistory(run)
      if (isReadable(record)) return record
    }
    return undefined
  }

  /**
   * Up to when the due times of a command have been answered; undefined: none has.
   * @param latest what lies behind this was noted by a clock that was wrong.
   */
  answeredUntil(command: string, latest: number): number | undefined {
    const dueAt = (run: string): number => partsOfRunName(run)?.dueAt ?? Number.POSITIVE_INFINITY
    const settled = this.historyOf(command).findLast((run) => dueAt(run) <= latest)
    const records = [...this.unsettledOf(command), ...(settled === undefined ? [] : [this.readHistory(settled)])]
    const times = records.flatMap((record) =>
      // Of a record that cannot be read its name tells the time.
      [isReadable(record) ? record.answered_until : dueAt(record.run), dueAt(record.run)]
        .filter((time) => time <= latest)
        .slice(0, 1),
    )
    return times.length === 0 ? undefined : Math.max(...times)
  }
}
