import { sep } from 'node:path'
import type { ProcessIdentity, ProcessTable } from './process-table.js'
import type { RunLife } from './run-record.js'
import { SHELL_NAME } from './run-shell.js'
import type { RunStoreOf } from './run-store.js'

/** Where the run's folder and what lies in it is; of the records' form nothing here depends. */
type Folders = Pick<RunStoreOf<RunLife>, 'outputFile' | 'notes'>

/**
 * What an unsettled record of this machine leads to when a daemon takes over:
 *
 * - `follow`: its child, or what is left of its session, may be alive; it is watched as if it had never been left.
 * - `never appeared`: no child of it ever did anything, and none ever will.
 * - `ended`: it ended while nobody looked, or with an earlier boot of this machine.
 */
export type Adoption = { kind: 'follow'; child: ProcessIdentity } | { kind: 'never appeared' } | { kind: 'ended' }

export function adoptionOf(record: RunLife, store: Folders, processes: ProcessTable): Adoption {
  if (record.state === 'ended') return appeared(record, store) ? { kind: 'ended' } : { kind: 'never appeared' }
  if (record.owner.boot !== processes.boot) {
    // Of what the shell wrote, a crash of the machine may have left the bare file.
    const isBegun = appeared(record, store) || store.notes.readStarted(record.run) !== undefined
    return isBegun ? { kind: 'ended' } : { kind: 'never appeared' }
  }
  if (record.child && record.state !== 'starting') return { kind: 'follow', child: record.child }
  // Its daemon died before it had told the shell which run is its own, or before it had noted so.
  if (store.notes.fence(record.run)) return { kind: 'never appeared' }
  const shell = shellOf(record.run, store, processes)
  if (shell) return { kind: 'follow', child: shell }
  const started = store.notes.readStarted(record.run)
  if (!started || started.pid === 0) return { kind: 'never appeared' }
  // The shell is gone; what it left, if anything, still has its session number.
  const { machine, boot } = processes
  return { kind: 'follow', child: record.child ?? { machine, boot, pid: started.pid, started: 0 } }
}

/** Whether the run's shell ever got past its fence: an empty `started` was made by a daemon, not by the shell. */
export function appeared(record: RunLife, store: Folders): boolean {
  return (record.child !== null && record.state !== 'starting') || (store.notes.readStarted(record.run)?.pid ?? 0) > 0
}

/**
 * The run's shell: ours by its name, and this run's by what it writes to. The kernel names that file as it is now, whatever
 * links lead to it and wherever it has been moved, so only the end of the path tells; a run's name is given once.
 */
export function shellOf(run: string, store: Folders, processes: ProcessTable): ProcessIdentity | undefined {
  const output = store.outputFile(run).split(sep).slice(-3).join(sep)
  const shell = processes.list().find(({ pid, session }) => {
    if (
      session !== pid ||
      !processes
        .output(pid)
        ?.replace(/ \(deleted\)$/, '')
        .endsWith(sep + output)
    )
      return false
    return processes.isOurs(pid) && processes.args(pid).includes(SHELL_NAME)
  })
  return shell && processes.identify(shell.pid)
}
