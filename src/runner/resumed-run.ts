import { adoptionOf, shellOf, type Adoption } from './adoption.js'
import type { ProcessIdentity, ProcessTable } from './process-table.js'
import { plannedRecord, taskOfRunName, type RunExit, type RunRecord } from './run-record.js'
import { isReadable, type RunStore } from './run-store.js'

/** An adopted run as its new daemon has it: what lives is followed, all else has ended. */
export type ResumedRun =
  | { kind: 'follow'; record: RunRecord & { child: ProcessIdentity } }
  | { kind: 'ended'; record: RunRecord; appeared: boolean }

/** What nobody noted while no daemon looked comes from what the run's shell noted, or is `now`. */
export function resumedRun(record: RunRecord, adoption: Adoption, store: RunStore, now: number): ResumedRun {
  const startNoted = () => store.notes.readStarted(record.run)?.at ?? record.planned_at
  switch (adoption.kind) {
    case 'follow': {
      const { child } = adoption
      if (record.state !== 'starting') return { kind: 'follow', record: { ...record, child } }
      // Its daemon died before it noted the child.
      return { kind: 'follow', record: { ...record, state: 'running', child, started_at: startNoted() } }
    }
    case 'never appeared':
      return { kind: 'ended', record, appeared: false }
    case 'ended': {
      const exit: RunExit = store.notes.readExit(record.run) ?? record.exit ?? { kind: 'unknown' }
      const started_at = record.started_at ?? startNoted()
      const ended_at = record.ended_at ?? store.notes.exitNotedAt(record.run) ?? now
      return { kind: 'ended', record: { ...record, state: 'ended', exit, started_at, ended_at }, appeared: true }
    }
  }
}

/**
 * Rebuilds a run of which only the claim in the database is left, its record lost with a power cut or an emptied state
 * directory, and puts its record on disk. @returns undefined where there is a record, or the name is not that of a run.
 */
export function rebuiltRun(
  run: string,
  { store, processes, self, now }: { store: RunStore; processes: ProcessTable; self: ProcessIdentity; now: number },
): ResumedRun | undefined {
  const task = taskOfRunName(run)
  if (!task || isReadable(store.read(run)) || isReadable(store.readHistory(run))) return undefined
  const child = shellOf(run, store, processes) ?? null
  const { nid, vid, plannedAt } = task
  const unknown = { type: '', rid: 0, object: '', footprint: null }
  const record: RunRecord = {
    ...plannedRecord({ run, nid, vid, ...unknown, owner: self, child, planned_at: plannedAt }),
    state: child ? 'running' : 'ended',
    started_at: plannedAt,
    ended_at: child ? null : now,
  }
  store.adopt(record)
  if (child) return { kind: 'follow', record: { ...record, child } }
  // A shell of this run that still comes must not start drush any more; one that was quicker than we is followed.
  const adoption = adoptionOf({ ...record, state: 'starting' }, store, processes)
  if (adoption.kind !== 'follow') return resumedRun(record, { kind: 'ended' }, store, now)
  return resumedRun({ ...record, state: 'running', ended_at: null }, adoption, store, now)
}
