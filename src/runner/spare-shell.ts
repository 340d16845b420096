import type { ProcessTable } from './process-table.js'
import { RunShell, type ChildSurroundings, type DrushCommand } from './run-shell.js'

/**
 * One shell that is ready before there is a run for it: to fork the daemon and to start a shell takes two to four
 * milliseconds, which no task has to wait for.
 */
export class SpareShell {
  readonly #runs: string
  readonly #surroundings: ChildSurroundings
  readonly #processes: ProcessTable
  #spare: { shell: RunShell; of: DrushCommand } | undefined

  /** @param runs the folder that the runs' folders are in. */
  constructor(runs: string, surroundings: ChildSurroundings, processes: ProcessTable) {
    this.#runs = runs
    this.#surroundings = surroundings
    this.#processes = processes
  }

  /** Makes one ready. Where none can be made, that is for the start to say which needs it. */
  prepare(drush: DrushCommand): void {
    if (this.#isFit(drush)) return
    this.dismiss()
    try {
      this.#spare = { shell: this.#make(drush), of: drush }
    } catch {
      // No process to be had now.
    }
  }

  /** The one that is ready, or a new one. @throws when no process could be made, or none can be seen */
  take(drush: DrushCommand): RunShell {
    const ready = this.#isFit(drush) ? this.#spare?.shell : undefined
    if (!ready) this.dismiss()
    this.#spare = undefined
    return ready ?? this.#make(drush)
  }

  /** Sends it away. Idempotent. */
  dismiss(): void {
    this.#spare?.shell.dismiss()
    this.#spare = undefined
  }

  #isFit({ command, alias, nice }: DrushCommand): boolean {
    const { shell, of } = this.#spare ?? {}
    return shell?.isAlive === true && of?.command === command && of.alias === alias && of.nice === nice
  }

  #make(drush: DrushCommand): RunShell {
    return new RunShell(this.#runs, drush, this.#surroundings, this.#processes)
  }
}
