import type { PidMark } from './pid-sequence.js'
import type { Process, ProcessIdentity, ProcessTable } from './process-table.js'

/** Programs whose life means that the task's work goes on: drush, and the provision commands that it runs. */
const WORK = /drush|provision|hosting-/

/** `isBare`: not even a process that does no work of a task, an agent for example, is left in it. */
export type SessionState =
  { kind: 'main alive' } | { kind: 'orphans'; processes: Process[] } | { kind: 'empty'; isBare: boolean }

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
