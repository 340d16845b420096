import { z } from 'zod'

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

const identity = z.object({
  machine: z.string(),
  boot: z.string(),
  pid: z.number().int().positive(),
  started: z.number().int().nonnegative(),
})

const exit = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('code'), code: z.number().int().nonnegative() }),
  z.object({ kind: z.literal('signal'), signal: z.string() }),
  /** The shell that notes the exit status died with its group, or the disk was full. */
  z.object({ kind: z.literal('unknown') }),
])

const outcome = z.enum([
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
const footprint = z.object({
  locks: z.array(z.object({ resource: z.string(), mode: z.enum(['shared', 'exclusive']) })),
  object: z.enum(['site', 'platform', 'server', 'unknown']),
  webServers: z.array(z.number()),
  siteVerifyOn: z.number().optional(),
})

const cancellation = z.object({
  by: z.string(),
  reason: z.string(),
  asked_at: z.number(),
  /** Between TERM and KILL, in milliseconds. */
  grace_ms: z.number().nonnegative(),
  /** When the task's log said so and TERM was sent; null: not yet. */
  term_at: z.number().nullable(),
})

/** What the record of every run holds, whatever it is that drush does: the life of a child process. */
export const runLifeSchema = z.object({
  /** Of this form; a record of a newer Skynet is shown, and touched by nobody older. */
  version: z.literal(1),
  run: z.string().regex(/^[A-Za-z0-9TZ.-]{1,100}$/),
  state: z.enum(['starting', 'running', 'orphaned', 'ended', 'settled']),
  /** The daemon that follows the run; another one may adopt it only when that process is gone. */
  owner: identity,
  child: identity.nullable(),
  /** Milliseconds since 1970, like every time here. */
  planned_at: z.number(),
  started_at: z.number().nullable(),
  ended_at: z.number().nullable(),
  settled_at: z.number().nullable(),
  /** Set when Skynet itself ended the child because it ran longer than its time limit. */
  timed_out: z.boolean(),
  /** Somebody has cancelled the run; absent, as in a record of an older version: nobody. */
  cancellation: cancellation.optional(),
  exit: exit.nullable(),
})

/** Whose a record is, whatever else it holds. */
export const ownedSchema = z.object({ owner: identity })

/** The run of a task. */
export const runRecordSchema = z.object({
  ...runLifeSchema.shape,
  nid: z.number().int().positive(),
  vid: z.number().int().positive(),
  type: z.string(),
  rid: z.number().int(),
  object: z.string(),
  /** null: not known any more; then it is computed anew. */
  footprint: footprint.nullable(),
  outcome: outcome.nullable(),
})

export type RunLife = z.infer<typeof runLifeSchema>
export type RunRecord = z.infer<typeof runRecordSchema>
export type Cancellation = z.infer<typeof cancellation>
export type RunExit = z.infer<typeof exit>
export type RunOutcome = z.infer<typeof outcome>

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
