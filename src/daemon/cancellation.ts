import { addErrorWhileProcessing, readRunTaskRows } from '../hostmaster/run-queries.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { printable } from '../observe/printable.js'
import { isSafeToInterrupt } from '../scheduler/interruption.js'
import type { ControlRequest } from './control-requests.js'
import type { DaemonParts } from './daemon-parts.js'
import { describeCancellation } from './settlement.js'

/*
 * Cancelling a task that runs:
 *
 *     asked ──noted in the run's record──▶ noted ──error row in the task's log──▶ TERM ──grace──▶ KILL
 *
 * The note comes first, so that the next daemon goes on where this one was killed; the row comes before TERM, because a
 * drush that ends by itself makes its status out of the rows. The rest is as with any run that ends: it is settled when
 * nothing of it is left (run.ts), and its task is set to error (settlement.ts).
 */

/** What the daemon answers to `skynet cancel`; a refusal is an error in words instead. */
export type CancelAnswer =
  /** `isNew`: false when it was being ended already. */
  | { kind: 'being ended'; run: string; type: string; object: string; grace_ms: number; isNew: boolean }
  | { kind: 'needs confirmation'; type: string; object: string }
  /** Its child is just being made. */
  | { kind: 'starting' }
  /** As far as the daemon knows nobody works on it. */
  | { kind: 'not running' }

type CancelRequest = Extract<ControlRequest, { verb: 'cancel' }>

/** @throws Error why the task cannot be cancelled, in words */
export function askToCancel(parts: DaemonParts, request: CancelRequest): CancelAnswer {
  const { keeper, foreign, conditions, clock, logger } = parts
  const active = keeper.find(({ nid }) => nid === request.nid)
  if (!active) {
    const other = foreign.all.find(({ task }) => task.nid === request.nid)
    if (other) refuseOther(request.nid, other.is)
    return { kind: 'not running' }
  }
  if (active.phase === 'starting') return { kind: 'starting' }
  if (active.phase !== 'following') {
    throw new Error(`task ${request.nid} has ended already; its run is just being settled`)
  }
  const { run, type, object, footprint, cancellation } = active.run.record
  const about = { type: printable(type), object: printable(object) }
  if (cancellation) return { kind: 'being ended', run, ...about, grace_ms: cancellation.grace_ms, isNew: false }
  if (!request.confirmed && !isSafeToInterrupt(type, footprint?.object ?? 'unknown')) {
    return { kind: 'needs confirmation', ...about }
  }
  if (conditions.get('database')) {
    throw new Error('the database is away, and the log of a task must say why it was cancelled before it is ended')
  }
  const { grace_ms } = request
  const [by, reason] = [printable(request.by), printable(request.reason)]
  if (!active.run.cancel({ by, reason, asked_at: clock.now(), grace_ms, term_at: null })) {
    throw new Error('another daemon has just taken the run over; run the command again')
  }
  logger.info({ nid: request.nid, run, by, reason }, 'run is cancelled; it is being ended')
  return { kind: 'being ended', run, ...about, grace_ms, isNew: true }
}

function refuseOther(nid: number, is: DaemonParts['foreign']['all'][number]['is']): never {
  switch (is.kind) {
    case 'foreign':
      throw new Error(
        is.pid === 0
          ? `task ${nid} is processing, and its process is still being looked for; try again in a second`
          : `task ${nid} is run by somebody else, process ${is.pid}. To end it: kill ${is.pid}`,
      )
    case 'nested':
      throw new Error(`task ${nid} is part of run ${is.run}; cancel that one's task`)
    case 'elsewhere':
      throw new Error(`task ${nid} is claimed by a Skynet on another machine; cancel it there`)
    case 'stuck':
      throw new Error(`task ${nid} is stuck: no process of it is alive. To end it: skynet fail ${nid} --reason …`)
  }
}

/** Tells the log of each newly cancelled task why, and ends its run then. @throws DatabaseError: it is tried again. */
export async function carryOutCancellations(
  { keeper, clock }: DaemonParts,
  connection: DatabaseConnection,
): Promise<void> {
  for (const active of keeper.active) {
    if (active.phase !== 'following') continue
    const { run } = active
    const { cancellation, nid, vid, started_at, planned_at } = run.record
    if (!cancellation || cancellation.term_at !== null) continue
    const rows = await readRunTaskRows(connection, { nid, vid, startedAt: started_at ?? planned_at })
    // A drush that has not begun the task has no row yet; then the one that the settlement writes has to do.
    if (rows.run) {
      const message = `Skynet: this task is being ended, because ${describeCancellation(cancellation)}. What it had begun may be half done.`
      await addErrorWhileProcessing(connection, { nid, vid: rows.run.vid }, message, clock.now())
    }
    run.terminate()
  }
}
