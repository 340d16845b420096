import type { RunTaskRows } from '../hostmaster/run-queries.js'
import type { Cancellation, RunExit, RunOutcome, RunRecord } from '../runner/run-record.js'

/** What is known of a run that has ended, from the operating system and from the database. */
export interface RunEvidence {
  record: Pick<RunRecord, 'run' | 'vid' | 'exit' | 'timed_out' | 'cancellation'>
  /** Whether a child ever did anything: the run's shell noted its start. */
  appeared: boolean
  rows: RunTaskRows
  /** What drush's own guard printed. */
  refusal: 'already running' | 'not queued' | undefined
}

/**
 * What follows from the evidence:
 *
 * - `final`: the task's row says how it went (`vid` is that row's), or that it is not ours to say.
 * - `fail`: drush died in the middle; the row is set to error, after a log row with `message`.
 * - `not started`: drush never got to the task; whether that counts is for the attempts to say.
 * - `cancelled`: the same, because somebody cancelled the run; the task, still queued, is set to error with `message`.
 */
export type Settlement =
  | { kind: 'final'; outcome: Exclude<RunOutcome, 'not started' | 'outage'>; vid?: number }
  | { kind: 'fail'; vid: number; message: string }
  | { kind: 'not started' }
  | { kind: 'cancelled'; message: string }

/** The table of the design, "A run's life", in code. */
export function settlementOf({ record, appeared, rows, refusal }: RunEvidence): Settlement {
  if (rows.currentVid === undefined || !(rows.queued ?? rows.run)) return { kind: 'final', outcome: 'vanished' }
  if (!appeared) {
    // Nothing of drush ever ran: the daemon died before, or it gave the start up. That is not the task's fault.
    return { kind: 'final', outcome: 'withdrawn' }
  }
  if (refusal !== undefined) return { kind: 'final', outcome: 'taken elsewhere' }
  if (rows.run) {
    switch (rows.run.status) {
      case 1:
        return { kind: 'final', outcome: 'success', vid: rows.run.vid }
      case 2:
        return { kind: 'final', outcome: 'error', vid: rows.run.vid }
      case 3:
        return { kind: 'final', outcome: 'warning', vid: rows.run.vid }
      case -1:
        return { kind: 'fail', vid: rows.run.vid, message: failureMessage(record) }
      default:
        // Queued again under the run's own vid: nobody but a person does that, and the poll finds it.
        return { kind: 'final', outcome: 'taken elsewhere' }
    }
  }
  if (rows.queued?.status === 0 && rows.currentVid === record.vid) {
    return record.cancellation ? { kind: 'cancelled', message: failureMessage(record) } : { kind: 'not started' }
  }
  return { kind: 'final', outcome: 'taken elsewhere' }
}

/** For clients of Aegir: how drush ended and which run it was, and never a word of its output. */
function failureMessage(record: RunEvidence['record']): string {
  const why = reasonOfEnd(record)
  return `Skynet: drush ${describeExit(record.exit)} before it had finished this task${why && ', '}${why} (run ${record.run}). What it had begun may be half done.`
}

/** Why Skynet itself ended the run; empty: it did not. */
function reasonOfEnd({ timed_out, cancellation }: RunEvidence['record']): string {
  if (cancellation) return `because ${describeCancellation(cancellation)}`
  return timed_out ? 'because it ran longer than the limit that skynet.conf sets ([timeouts] or [drush] timeout)' : ''
}

/** For clients of Aegir: the account that an administrator works with is not for them. */
export function describeCancellation({ reason }: Cancellation): string {
  return `an administrator cancelled it${reason === '' ? '' : `: ${reason}`}`
}

export function describeExit(exit: RunExit | null): string {
  switch (exit?.kind) {
    case 'code':
      return `exited with status ${exit.code}`
    case 'signal':
      return `was ended by signal ${exit.signal} (exit status ${128 + (SIGNAL_NUMBERS[exit.signal] ?? 0)})`
    case 'unknown':
    case undefined:
      return 'ended without a note of how (signal and exit status unknown: the shell that notes them was gone as well)'
  }
}

const SIGNAL_NUMBERS: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, ABRT: 6, KILL: 9, SEGV: 11, TERM: 15 }
