import { setTimeout as delay } from 'node:timers/promises'
import type { Claim } from '../hostmaster/run-queries.js'
import type { TaskRow } from '../hostmaster/task-queries.js'
import { shellOf } from '../runner/adoption.js'
import type { ProcessTable } from '../runner/process-table.js'
import { taskOfRunName, type RunRecord } from '../runner/run-record.js'
import { sessionState, shownProcess } from '../runner/run-session.js'
import { isReadable, type RunStore } from '../runner/run-store.js'
import { worksOn } from './foreign-runs.js'
import { parseClaim, type ClaimOrigin } from './run-claim.js'

/** Between two looks at the process table, in milliseconds: a process in the midst of exec has no arguments. */
const SECOND_LOOK = 100

/**
 * Who, as far as this machine can tell, is at work on a processing task:
 *
 * - run: an unsettled record of ours; `pid` is the one of its processes that lives, undefined when none does.
 * - process: a process of somebody else, such as an operator's `drush hosting-task`, or one inside another run.
 * - elsewhere: a daemon that is not the one of this state directory has claimed it; `here` tells whether it is one of
 *   this machine.
 * - copied: a record in our state directory that another machine has made.
 * - nobody: the task is stuck.
 */
export type TaskWork =
  | { kind: 'run'; run: string; pid: number | undefined }
  | { kind: 'process'; pid: number }
  | { kind: 'elsewhere'; claim: Claim; here: boolean }
  | { kind: 'copied'; run: string }
  | { kind: 'nobody' }

export interface TaskWorkSources {
  /** undefined: there is no state directory. */
  store: RunStore | undefined
  processes: ProcessTable
  origin: ClaimOrigin
  claims: Claim[]
}

/** Looks once, and a second time before it says that nobody is at work on one of them. In the order of the tasks. */
export async function findWork(tasks: TaskRow[], sources: TaskWorkSources): Promise<TaskWork[]> {
  const first = lookAtAll(tasks, sources)
  if (!first.some((work) => work.kind === 'nobody' || (work.kind === 'run' && work.pid === undefined))) return first
  await delay(SECOND_LOOK)
  return lookAtAll(tasks, sources)
}

function lookAtAll(tasks: TaskRow[], sources: TaskWorkSources): TaskWork[] {
  const { processes, store } = sources
  const work = processes
    .list()
    .flatMap(({ pid }) => (processes.isOurs(pid) ? [{ pid, args: processes.args(pid) }] : []))
  const records = (store?.list() ?? []).filter(isReadable).filter(({ state }) => state !== 'settled')
  return tasks.map((task) => lookAt(task, work, records, sources))
}

function lookAt(
  task: TaskRow,
  work: { pid: number; args: string[] }[],
  records: RunRecord[],
  { store, processes, origin, claims }: TaskWorkSources,
): TaskWork {
  const own = records.filter(({ nid }) => nid === task.nid)
  const ours = own.filter(({ owner }) => owner.machine === processes.machine)
  for (const record of ours) {
    const pid = store && livingProcess(record, store, processes)
    if (pid !== undefined) return { kind: 'run', run: record.run, pid }
  }
  const process = work.find(({ args }) => worksOn(args, task))
  if (process) return { kind: 'process', pid: process.pid }
  const claim = claims.find(({ value }) => taskOfRunName(parseClaim(value)?.run ?? '')?.nid === task.nid)
  const from = claim && parseClaim(claim.value)
  if (claim && from) {
    const here = from.machine === origin.machine
    if (!here || from.stateDirectory !== origin.stateDirectory) return { kind: 'elsewhere', claim, here }
  }
  const [dead] = ours
  if (dead) return { kind: 'run', run: dead.run, pid: undefined }
  const [copied] = own
  return copied ? { kind: 'copied', run: copied.run } : { kind: 'nobody' }
}

/** pid of a process of the run that is alive, whatever the record knows of it. */
export function livingProcess(record: RunRecord, store: RunStore, processes: ProcessTable): number | undefined {
  if (record.owner.boot !== processes.boot) return undefined
  const started = record.child ? undefined : store.notes.readStarted(record.run)
  const noted = started && started.pid > 0 ? { ...record.owner, pid: started.pid, started: 0 } : undefined
  const child = record.child ?? shellOf(record.run, store, processes) ?? noted
  if (!child) return undefined
  const state = sessionState(processes, child, store.notes.readExit(record.run) !== undefined)
  switch (state.kind) {
    case 'main alive':
      // Should it end between the two looks, it was alive all the same: whoever asks must not take the run for dead.
      return shownProcess(processes, { ...record, child }) ?? child.pid
    case 'orphans':
      // Not drush of its shell: that may be at work on another run by now.
      return state.processes[0]?.pid
    case 'empty':
      return undefined
  }
}
