import type { Run } from '../runner/run.js'
import type { RunOutcome, RunRecord } from '../runner/run-record.js'

/**
 * A run that holds its locks and, as a rule, its slot (`takesSlot`):
 *
 * - starting: record and claim are being made; no child yet.
 * - following: its session lives.
 * - ended: nothing of it lives; the database has to say how it went. `makesRoom`: its slot need not wait for that.
 * - judging: drush never got to the task; drush is being asked whether it works at all.
 * - judged: the answer is there.
 * - decided: the outcome is known and has yet to be written down; `giveUp` is the message with which the task, still
 *   queued, is to be set to error.
 */
export type ActiveRun =
  | { phase: 'starting'; record: RunRecord }
  | { phase: 'following'; record: RunRecord; run: Run }
  | { phase: 'ended'; record: RunRecord; appeared: boolean; makesRoom: boolean }
  | { phase: 'judging'; record: RunRecord }
  | { phase: 'judged'; record: RunRecord; drushFault: string | undefined }
  | { phase: 'decided'; record: RunRecord; outcome: RunOutcome; giveUp?: string }

/** Whether there is no room for another run in its place. */
export function takesSlot(active: ActiveRun): boolean {
  return active.phase !== 'ended' || !active.makesRoom
}

/** The record as it is now: a followed run keeps its own. */
export function recordOf(active: ActiveRun): RunRecord {
  return active.phase === 'following' ? active.run.record : active.record
}
