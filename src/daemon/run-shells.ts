import type { DrushCommand, RunShell } from '../runner/run-shell.js'
import type { ShellPool } from '../runner/shell-pool.js'

/** Whose shell is whose: those of the runs that this daemon has started itself, until they are settled. */
export class RunShells {
  readonly #pool: ShellPool
  readonly #shells = new Map<string, RunShell>()
  #isReused = false

  constructor(pool: ShellPool) {
    this.#pool = pool
  }

  /**
   * Whether the shell of a run that is settled serves another one. Who does not lead starts nothing; and to a leader that
   * took such a run over, a shell that waits looks like its child.
   */
  set isReused(isReused: boolean) {
    this.#isReused = isReused
    if (!isReused) this.dismissIdle()
  }

  /** Has one ready for the next run. */
  prepare(drush: DrushCommand): void {
    this.#pool.prepare(drush)
  }

  /** Gives the run a shell. @throws NoProcess */
  take(run: string, drush: DrushCommand): RunShell {
    const shell = this.#pool.take(drush)
    this.#shells.set(run, shell)
    return shell
  }

  of(run: string): RunShell | undefined {
    return this.#shells.get(run)
  }

  /** The run is over, on disk too, and has left nothing in its session unless its shell was dismissed. */
  release(run: string): void {
    const shell = this.#shells.get(run)
    if (this.#isReused && shell) this.#pool.giveBack(shell)
    else shell?.dismiss()
    this.#shells.delete(run)
  }

  /** The run's shell is not to serve another one. Idempotent, as is the next. */
  dismiss(run: string): void {
    this.#shells.get(run)?.dismiss()
    this.#shells.delete(run)
  }

  /** Sends those away that wait for a run. */
  dismissIdle(): void {
    this.#pool.dismiss()
  }
}
