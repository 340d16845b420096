import type { ProcessTable } from './process-table.js'
import { RunShell, type ChildSurroundings, type DrushCommand } from './run-shell.js'

/** So many wait for runs at most; what is more than that leaves when its run is over. */
const MOST = 4

/**
 * Shells that are ready before there is a run for them: to fork the daemon and to start a shell takes two to four
 * milliseconds, for which no task has to wait, and which most tasks need not cost.
 */
export class ShellPool {
  readonly #runs: string
  readonly #surroundings: ChildSurroundings
  readonly #processes: ProcessTable
  #waiting: RunShell[] = []

  /** @param runs the folder that the runs' folders are in. */
  constructor(runs: string, surroundings: ChildSurroundings, processes: ProcessTable) {
    this.#runs = runs
    this.#surroundings = surroundings
    this.#processes = processes
  }

  /** Has one ready. Where none can be made, that is for the start to say which needs it. */
  prepare(drush: DrushCommand): void {
    this.#keepFit(drush)
    if (this.#waiting.length > 0) return
    try {
      this.#waiting.push(this.#make(drush))
    } catch {
      // No process to be had now.
    }
  }

  /** One that is ready, or a new one. @throws NoProcess */
  take(drush: DrushCommand): RunShell {
    this.#keepFit(drush)
    return this.#waiting.pop() ?? this.#make(drush)
  }

  /**
   * Takes back a shell whose run is settled on disk, so that nobody looks for that run's processes in its session any
   * more, and whose session holds nothing else: the next run is not to answer for what the last one left behind.
   */
  giveBack(shell: RunShell): void {
    if (shell.isWaiting && this.#waiting.length < MOST) this.#waiting.push(shell)
    else shell.dismiss()
  }

  /** Sends all of them away. Idempotent. */
  dismiss(): void {
    for (const shell of this.#waiting.splice(0)) shell.dismiss()
  }

  /** Those that have died are of no use, nor are those that would run another drush. */
  #keepFit({ command, alias, nice }: DrushCommand): void {
    const isFit = ({ isWaiting, drush }: RunShell): boolean =>
      isWaiting && drush.command === command && drush.alias === alias && drush.nice === nice
    for (const shell of this.#waiting) if (!isFit(shell)) shell.dismiss()
    this.#waiting = this.#waiting.filter(isFit)
  }

  #make(drush: DrushCommand): RunShell {
    return new RunShell(this.#runs, drush, this.#surroundings, this.#processes)
  }
}
