import { claimOrigin } from '../daemon/run-claim.js'
import { findWork, type TaskWork } from '../daemon/task-work.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { readClaims } from '../hostmaster/run-queries.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import type { ListedTask } from '../hostmaster/task-list.js'
import { printable } from '../observe/printable.js'
import { ProcessTable } from '../runner/process-table.js'
import { isReadable } from '../runner/run-store.js'
import { openRunStore } from './doctor/open-run-store.js'
import type { Style } from './screen.js'

/**
 * What a task comes to, by Aegir's status and by the processes of this machine:
 *
 * - waiting: queued. starting: queued still, while a run of ours is on its way to it.
 * - running: processing, by a run of ours. foreign: by a process that is none of ours (an operator's drush, or a
 *   nested run). elsewhere: by the word of a claim or record, on another machine. stuck: by nobody.
 * - success, error, warning: ended so. cancelled: ended before it was started.
 * - unknown: a status that Aegir does not know either.
 */
export type TaskState =
  | 'waiting'
  | 'starting'
  | 'running'
  | 'foreign'
  | 'elsewhere'
  | 'stuck'
  | 'success'
  | 'error'
  | 'warning'
  | 'cancelled'
  | 'unknown'

export const STATE_STYLES: Record<TaskState, Style> = {
  waiting: 'blue',
  starting: 'cyan',
  running: 'cyan',
  foreign: 'cyan',
  elsewhere: 'cyan',
  stuck: 'red',
  success: 'green',
  error: 'red',
  warning: 'yellow',
  cancelled: 'gray',
  unknown: 'red',
}

/** What `skynet tasks --json` prints of a task; times are milliseconds since 1970. */
export interface ShownTask {
  nid: number
  vid: number
  type: string
  rid: number
  object: string
  status: keyof typeof TASK_STATUS | 'unknown'
  state: TaskState
  queued_at: number
  started_at: number | null
  waited_ms: number | null
  took_ms: number | null
}

/** The tasks as they are shown, in their order. Asks the process table only where one of them is open. */
export async function showTasks(
  connection: DatabaseConnection,
  stateDirectory: string,
  tasks: readonly ListedTask[],
  now: number,
): Promise<ShownTask[]> {
  const works = await findWorks(connection, stateDirectory, tasks)
  return tasks.map((task) => showTask(task, works.get(task.nid), now))
}

/** Who is at work on the open ones of these tasks; queued ones that nobody is at work on are missing. */
export async function findWorks(
  connection: DatabaseConnection,
  stateDirectory: string,
  tasks: readonly ListedTask[],
): Promise<Map<number, TaskWork>> {
  const processing = tasks.filter(({ status }) => status === TASK_STATUS.processing)
  const queued = new Set(tasks.filter(({ status }) => status === TASK_STATUS.queued).map(({ nid }) => nid))
  const works = new Map<number, TaskWork>()
  if (processing.length + queued.size === 0) return works
  const store = openRunStore(stateDirectory)
  if (processing.length > 0) {
    const processes = new ProcessTable()
    const origin = claimOrigin(processes, stateDirectory)
    const sources = { store, processes, origin, claims: await readClaims(connection) }
    const found = await findWork(
      processing.map((task) => ({ ...task, arguments: {} })),
      sources,
    )
    for (const [index, { nid }] of processing.entries()) works.set(nid, found[index] ?? { kind: 'nobody' })
  }
  for (const { nid, run } of (store?.list() ?? []).filter(isReadable)) {
    if (queued.has(nid)) works.set(nid, { kind: 'run', run, pid: undefined })
  }
  return works
}

export function showTask(task: ListedTask, work: TaskWork | undefined, now: number): ShownTask {
  const { nid, vid, type, rid, object, status, changed, executed, delta, queued } = task
  // What a retry copied does not make a task a started one.
  const started = status !== TASK_STATUS.queued && queued !== null ? executed : null
  const state = stateOf(status, started !== null, work)
  const isAtWork = status === TASK_STATUS.processing && state !== 'stuck'
  const since = started ?? now / 1000
  return {
    nid,
    vid,
    type: printable(type),
    rid,
    object: printable(object),
    status: statusWord(status),
    state,
    queued_at: (queued ?? changed) * 1000,
    started_at: started === null ? null : started * 1000,
    waited_ms: started === null && state === 'cancelled' ? null : milliseconds(since - (queued ?? changed)),
    took_ms: started === null ? null : isAtWork ? milliseconds(now / 1000 - started) : delta && milliseconds(delta),
  }
}

export function statusWord(status: number | null): ShownTask['status'] {
  const [word] = Object.entries(TASK_STATUS).find(([, number]) => number === status) ?? []
  return (word as keyof typeof TASK_STATUS | undefined) ?? 'unknown'
}

function stateOf(status: number | null, isStarted: boolean, work: TaskWork | undefined): TaskState {
  const word = statusWord(status)
  switch (word) {
    case 'queued':
      return work ? 'starting' : 'waiting'
    case 'processing':
      return stateOfWork(work)
    case 'warning':
      return isStarted ? 'warning' : 'cancelled'
    case 'success':
    case 'error':
    case 'unknown':
      return word
  }
}

function stateOfWork(work: TaskWork | undefined): TaskState {
  switch (work?.kind) {
    case 'run':
      return 'running'
    case 'process':
      return 'foreign'
    case 'elsewhere':
    case 'copied':
      return 'elsewhere'
    case 'nobody':
    case undefined:
      return 'stuck'
  }
}

function milliseconds(seconds: number): number {
  return Math.max(0, Math.round(seconds * 1000))
}
