import type { PidMark } from './pid-sequence.js'
import type { Process, ProcessIdentity, ProcessTable } from './process-table.js'
import type { RunLife } from './run-record.js'

/** Programs whose life means that the task's work goes on: drush, and the provision commands that it runs. */
const WORK = /drush|provision|hosting-/

/** `isBare`: not even a process that does no work of a task, an agent for example, is left in it. */
export type SessionState =
  { kind: 'main alive' } | { kind: 'orphans'; processes: Process[] } | { kind: 'empty'; isBare: boolean }

/** The drush that the run's shell waits for; undefined: it has none just now, or is gone. @throws as `ProcessTable` */
export function drushOf(table: ProcessTable, shell: ProcessIdentity): ProcessIdentity | undefined {
  if (!table.isAlive(shell)) return undefined
  const [pid] = table.children(shell.pid)
  return pid === undefined ? undefined : table.identify(pid)
}

/** The pid to name when somebody asks for a run's process: drush's, and when that is gone its eldest backend's; null: none. */
export function shownProcess(
  table: ProcessTable,
  { child, drush: known }: Pick<RunLife, 'child' | 'drush'>,
): number | null {
  if (!child) return null
  try {
    const drush = known && table.isAlive(known) ? known : drushOf(table, child)
    if (drush) return drush.pid
    const state = sessionState(table, child, false)
    switch (state.kind) {
      case 'main alive':
        return child.pid
      case 'orphans':
        return state.processes.reduce((eldest, other) => (other.started < eldest.started ? other : eldest)).pid
      case 'empty':
        return null
    }
  } catch {
    // Without file descriptors to spare nobody can look; that is no reason to say nothing at all.
    return child.pid
  }
}

/**
 * What is left of a run's session. A run has ended when no drush or provision process of its session is left, not when
 * its first process is gone: a killed drush leaves a backend that goes on for as long as its dump takes.
 *
 * @param hasExited whether the run's shell has noted that drush has exited: from then on the shell, should it live on, only
 * waits to be of use again.
 * @param since when the session held nothing but that shell, so that what it holds now has been made since.
 */
export function sessionState(
  table: ProcessTable,
  child: ProcessIdentity,
  hasExited: boolean,
  since?: PidMark,
): SessionState {
  if (child.machine !== table.machine || child.boot !== table.boot) return { kind: 'empty', isBare: true }
  if (!hasExited && table.isAlive(child)) return { kind: 'main alive' }
  const leader = table.read(child.pid)
  // Another program with our pid is a later one, and its session is its own: the kernel gives a pid away again only
  // when no session or process group has that number any more.
  if (leader && leader.started !== child.started) return { kind: 'empty', isBare: true }
  const others = table
    .ofSession(child.pid, since)
    .filter((process) => process.pid !== child.pid && process.started >= child.started)
  const processes = others.filter((process) => WORK.test(table.args(process.pid).join(' ')))
  return processes.length === 0 ? { kind: 'empty', isBare: others.length === 0 } : { kind: 'orphans', processes }
}
