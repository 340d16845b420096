import * as v from 'valibot'
import { number, positiveInteger, wholeNumber } from '../config/json-number.js'

/*
 * A run's life, as its record on disk tells it:
 *
 *     planned ──record──▶ starting ──claimed, child alive──▶ running ──session empty──▶ ended ──status checked──▶ settled
 *                                                               └─ main process gone, others live: orphaned ─┘
 *
 * - starting: the record is on disk; the claim may or may not have been inserted, the child may or may not have been told.
 * - running: drush's main process lives; for the first second only its shell's note says so.
 * - orphaned: the main process is gone, drush or provision processes of its session go on; slot and locks are held.
 * - ended: nothing of the session is left; the task's row has yet to be looked at.
 * - settled: the outcome is known and final; the record is history.
 */

const identity = v.object({
  machine: v.string(),
  boot: v.string(),
  pid: positiveInteger,
  started: v.pipe(wholeNumber, v.minValue(0)),
})

const exit = v.variant('kind', [
  v.object({ kind: v.literal('code'), code: v.pipe(wholeNumber, v.minValue(0)) }),
  v.object({ kind: v.literal('signal'), signal: v.string() }),
  /** The shell that notes the exit status was gone, with its group or before, or the disk was full. */
  v.object({ kind: v.literal('unknown') }),
])

const outcome = v.picklist([
  'success',
  'warning',
  'error',
  /** Drush ended and left the task queued: it never got to it. */
  'not started',
  /** Like `not started`, while drush did not work for anybody; counts as no attempt. */
  'outage',
  /** The child never came to be, and not through the task's fault: the daemon died, or the claim failed. */
  'withdrawn',
  /** Somebody else ran, cancelled or took the task; drush said so or the rows do. */
  'taken elsewhere',
  /** The task was deleted. */
  'vanished',
])

/** What the run took at its start; a migrate changes the very relations that this was computed from. */
const footprint = v.object({
  locks: v.array(v.object({ resource: v.string(), mode: v.picklist(['shared', 'exclusive']) })),
  object: v.picklist(['site', 'platform', 'server', 'unknown']),
  webServers: v.array(number),
  siteVerifyOn: v.optional(number),
})

const cancellation = v.object({
  by: v.string(),
  reason: v.string(),
  asked_at: number,
  /** Between TERM and KILL, in milliseconds. */
  grace_ms: v.pipe(number, v.minValue(0)),
  /** When the task's log said so and TERM was sent; null: not yet. */
  term_at: v.nullable(number),
})

/** What the record of every run holds, whatever it is that drush does: the life of a child process. */
export const runLifeSchema = v.object({
  /** Of this form; a record of a newer Skynet is shown, and touched by nobody older. */
  version: v.literal(1),
  run: v.pipe(v.string(), v.regex(/^[A-Za-z0-9TZ.-]{1,100}$/)),
  state: v.picklist(['starting', 'running', 'orphaned', 'ended', 'settled']),
  /** The daemon that follows the run; another one may adopt it only when that process is gone. */
  owner: identity,
  /** The run's shell, which leads its session. */
  child: v.nullable(identity),
  /** Once it has been seen: should the shell be killed, it goes on. */
  drush: v.optional(identity),
  /** Milliseconds since 1970, like every time here. */
  planned_at: number,
  started_at: v.nullable(number),
  ended_at: v.nullable(number),
  settled_at: v.nullable(number),
  /** Set when Skynet itself ended the child because it ran longer than its time limit. */
  timed_out: v.boolean(),
  /** Somebody has cancelled the run; absent, as in a record of an older version: nobody. */
  cancellation: v.optional(cancellation),
  exit: v.nullable(exit),
})

/** Whose a record is, whatever else it holds. */
export const ownedSchema = v.object({ owner: identity })

/** The run of a task. */
export const runRecordSchema = v.object({
  ...runLifeSchema.entries,
  nid: positiveInteger,
  vid: positiveInteger,
  type: v.string(),
  rid: wholeNumber,
  object: v.string(),
  /** null: not known any more; then it is computed anew. */
  footprint: v.nullable(footprint),
  outcome: v.nullable(outcome),
})

export type RunLife = v.InferOutput<typeof runLifeSchema>
export type RunRecord = v.InferOutput<typeof runRecordSchema>
export type Cancellation = v.InferOutput<typeof cancellation>
export type RunExit = v.InferOutput<typeof exit>
export type RunOutcome = v.InferOutput<typeof outcome>

/** What is the same in the records of all runs that have been planned and have yet to begin. */
export const PLANNED = {
  version: 1,
  state: 'starting',
  started_at: null,
  ended_at: null,
  settled_at: null,
  timed_out: false,
  exit: null,
  outcome: null,
} as const

/** The record of a run of which no more is known than that it was planned. */
export function plannedRecord(
  planned: Pick<
    RunRecord,
    'run' | 'nid' | 'vid' | 'type' | 'rid' | 'object' | 'footprint' | 'owner' | 'child' | 'planned_at'
  >,
): RunRecord {
  return { ...PLANNED, ...planned }
}

/** `20261120T224608123Z-130-135`: sorts by time, names the task and the queueing. */
export function runName(task: { nid: number; vid: number }, now: number): string {
  return `${runTimestamp(now)}-${task.nid}-${task.vid}`
}

/** `20261120T224608123Z`, which sorts by time. */
export function runTimestamp(at: number): string {
  return new Date(at).toISOString().replace(/[-:.]/g, '')
}

/** The task that a run's name names; undefined for a name that is not of that form. */
export function taskOfRunName(run: string): { nid: number; vid: number; plannedAt: number } | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-(\d+)-(\d+)$/.exec(run)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, ms, nid, vid] = match
  const plannedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
  return Number.isNaN(plannedAt) ? undefined : { nid: Number(nid), vid: Number(vid), plannedAt }
}
