import type { TaskRow } from '../hostmaster/task-queries.js'
import type { Process, ProcessTable } from '../runner/process-table.js'

/**
 * What a processing task is that we did not start:
 *
 * - foreign: a process works on it (an operator's `drush hosting-task`); its object is taken.
 * - nested: its process is part of one of our runs; it belongs to that run.
 * - elsewhere: a daemon on another machine has claimed it; as far as we can see it lives.
 * - stuck: there is no process; left by a crash. It holds nothing.
 */
export type ProcessingKind =
  | { kind: 'foreign'; pid: number }
  | { kind: 'nested'; run: string }
  | { kind: 'elsewhere'; claim: string }
  | { kind: 'stuck' }

export interface ClassifiedTask {
  task: TaskRow
  is: ProcessingKind
}

/** Looks without finding a process before a task counts as stuck: a process in the midst of exec has no arguments. */
const LOOKS = 2

/**
 * Tells the processing tasks that are not our own runs apart. The evidence is the process table: a command line with
 * `hosting-task NID`, or with the inline form `hosting-task CONTEXT TYPE` of the task's object and type, or a backend
 * (`provision-TYPE @CONTEXT`) that a killed main process has left behind.
 */
export class ForeignRuns {
  readonly #processes: ProcessTable
  readonly #looks = new Map<number, number>()
  #classified = new Map<number, ClassifiedTask>()

  constructor(processes: ProcessTable) {
    this.#processes = processes
  }

  get all(): ClassifiedTask[] {
    return [...this.#classified.values()]
  }

  /** Whether some task has not been looked at often enough to be sure; another look is due soon. */
  get unsure(): boolean {
    return this.all.some(({ task, is }) => is.kind !== 'stuck' || (this.#looks.get(task.vid) ?? 0) < LOOKS)
  }

  /**
   * @param processing tasks with status processing, without those of our own runs.
   * @param sessions our runs' names by session id.
   * @param claims claims of daemons on other machines, by the vid that was queued.
   */
  look(
    processing: TaskRow[],
    sessions: ReadonlyMap<number, string>,
    claims: (task: TaskRow) => string | undefined,
  ): ClassifiedTask[] {
    const undecided = processing.filter((task) => (this.#looks.get(task.vid) ?? 0) < LOOKS)
    const work = undecided.length === 0 ? [] : this.#work()
    const classified = new Map<number, ClassifiedTask>()
    for (const task of processing) {
      const found = work.find((process) => worksOn(process.args, task))
      const claim = claims(task)
      classified.set(task.vid, { task, is: this.#kind(task, found, sessions, claim) })
    }
    for (const vid of this.#looks.keys()) if (!classified.has(vid)) this.#looks.delete(vid)
    this.#classified = classified
    return this.all
  }

  #kind(
    task: TaskRow,
    found: WorkProcess | undefined,
    sessions: ReadonlyMap<number, string>,
    claim: string | undefined,
  ): ProcessingKind {
    if (found) {
      this.#looks.delete(task.vid)
      const run = this.#runOf(found.process, sessions)
      return run === undefined ? { kind: 'foreign', pid: found.process.pid } : { kind: 'nested', run }
    }
    if (claim !== undefined) return { kind: 'elsewhere', claim }
    const looks = (this.#looks.get(task.vid) ?? 0) + 1
    this.#looks.set(task.vid, Math.min(looks, LOOKS))
    // Until it is sure, the object stays taken: nothing is started on a guess.
    return looks < LOOKS ? { kind: 'foreign', pid: 0 } : { kind: 'stuck' }
  }

  #runOf(process: Process, sessions: ReadonlyMap<number, string>): string | undefined {
    let ancestor: Process | undefined = process
    for (let depth = 0; ancestor && depth < 64; depth += 1) {
      const run = sessions.get(ancestor.session) ?? sessions.get(ancestor.pid)
      if (run !== undefined) return run
      ancestor = ancestor.parent > 1 ? this.#processes.read(ancestor.parent) : undefined
    }
    return undefined
  }

  #work(): WorkProcess[] {
    return this.#processes
      .list()
      .map((process) => ({ process, args: this.#processes.args(process.pid) }))
      .filter(({ args }) => args.some((arg) => arg === 'hosting-task' || arg.startsWith('provision-')))
      .filter(({ process }) => this.#processes.isOurs(process.pid))
  }
}

interface WorkProcess {
  process: Process
  args: string[]
}

export function worksOn(args: string[], task: { nid: number; type: string; object: string }): boolean {
  const names = [task.object, `@${task.object}`]
  const at = args.indexOf('hosting-task')
  if (at >= 0) {
    const words = args.slice(at + 1).filter((arg) => !arg.startsWith('-'))
    if (words[0] === String(task.nid)) return true
    return task.object !== '' && names.includes(words[0] ?? '') && words[1] === task.type
  }
  return args.includes(`provision-${task.type}`) && args.some((arg) => task.object !== '' && names.includes(arg))
}
