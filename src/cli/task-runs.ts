import type { TaskRevision } from '../hostmaster/task-details.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import type { ProcessTable } from '../runner/process-table.js'
import { taskOfRunName, type RunRecord } from '../runner/run-record.js'
import { shownProcess } from '../runner/run-session.js'
import { isReadable, type RunStore } from '../runner/run-store.js'
import { statusWord } from './task-state.js'

/** One run of a task: by Skynet's record, by Aegir's row, or by both. Times are milliseconds since 1970. */
export interface ShownRun {
  /** Skynet's name of it; null: it was somebody else's, or its record is gone. */
  run: string | null
  /** The revision that drush made; null: it made none. */
  vid: number | null
  started_at: number | null
  /** By the record; Aegir's row tells how long it took alone. */
  ended_at: number | null
  took_ms: number | null
  /** Of a settled run its outcome, else how far it has come; of somebody else's what Aegir's row says. */
  outcome: string
  exit_code: number | null
  signal: string | null
  /** Of drush, while it runs. */
  pid: number | null
}

/** The records of a task's runs, oldest first. What cannot be read is left out: skynet doctor and status show it. */
export function recordsOf(store: RunStore | undefined, nid: number): RunRecord[] {
  if (!store) return []
  const ofTask = (run: string): boolean => taskOfRunName(run)?.nid === nid
  const settled = store
    .historyNames()
    .filter(ofTask)
    .map((run) => store.readHistory(run))
  const others = store
    .names()
    .filter(ofTask)
    .map((run) => store.read(run))
  return [...settled, ...others].filter(isReadable).sort((a, b) => a.planned_at - b.planned_at)
}

/** Outcomes of runs whose drush made no revision. */
const WITHOUT_REVISION = new Set(['not started', 'outage', 'withdrawn', 'taken elsewhere'])

/** Every run of a task, oldest first; the first of its revisions is its queueing. */
export function runsOf(
  revisions: readonly TaskRevision[],
  records: readonly RunRecord[],
  processes: ProcessTable,
): ShownRun[] {
  const rows = revisions.slice(1).filter(({ status }) => status !== TASK_STATUS.queued)
  const ofRecord = new Map(records.map((record) => [record.run, revisionOf(record, rows)]))
  const recorded = new Set([...ofRecord.values()].map((row) => row?.vid))
  const runs = [
    ...records.map((record) => runOfRecord(record, ofRecord.get(record.run), processes)),
    ...rows.filter(({ vid }) => !recorded.has(vid)).map(runOfRow),
  ]
  return runs.sort((a, b) => (a.started_at ?? 0) - (b.started_at ?? 0))
}

/** The lowest vid above the queued one, started within the run: a higher one is somebody's --force. */
function revisionOf(record: RunRecord, rows: readonly TaskRevision[]): TaskRevision | undefined {
  if (record.outcome !== null && WITHOUT_REVISION.has(record.outcome)) return undefined
  const start = Math.floor((record.started_at ?? record.planned_at) / 1000)
  const end = (record.ended_at ?? Number.POSITIVE_INFINITY) / 1000
  return rows.find(({ vid, executed }) => vid > record.vid && executed !== null && executed >= start && executed <= end)
}

function runOfRecord(record: RunRecord, row: TaskRevision | undefined, processes: ProcessTable): ShownRun {
  const { run, planned_at, started_at, ended_at, outcome, state, exit } = record
  const since = started_at ?? planned_at
  const isAlive = state === 'running' || state === 'orphaned' || state === 'starting'
  return {
    run,
    vid: row?.vid ?? null,
    started_at: since,
    ended_at,
    took_ms: ended_at === null ? null : Math.max(0, ended_at - since),
    outcome: outcome ?? state,
    exit_code: exit?.kind === 'code' ? exit.code : null,
    signal: exit?.kind === 'signal' ? exit.signal : null,
    pid: isAlive ? shownProcess(processes, record) : null,
  }
}

function runOfRow({ vid, status, executed, delta }: TaskRevision): ShownRun {
  return {
    run: null,
    vid,
    started_at: executed === null ? null : executed * 1000,
    ended_at: executed === null || delta === null ? null : (executed + delta) * 1000,
    took_ms: delta === null ? null : delta * 1000,
    outcome: statusWord(status),
    exit_code: null,
    signal: null,
    pid: null,
  }
}
