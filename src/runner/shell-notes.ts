import { closeSync, lstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { isShortage, readDatedFile, readPlainFile } from './plain-file.js'
import { exitOfShellStatus } from './run-exit.js'
import type { RunExit } from './run-record.js'

/** More than any number takes that a run's shell notes, in bytes. */
const LARGEST_NOTE = 16

/** What the shells of runs note in the folders of their runs (see run-shell.ts): that drush begins, and how it ended. */
export class ShellNotes {
  readonly #runs: string

  /** @param runs the folder of the folders of the runs that are not settled. */
  constructor(runs: string) {
    this.#runs = runs
  }

  /** pid and time of the run's shell as it noted them itself; undefined: it never came to run. @throws where that cannot be told now */
  readStarted(run: string): { pid: number; at: number } | undefined {
    try {
      // Its time is the child's own clock, whatever has become of ours.
      const { text, at } = readDatedFile(this.#started(run), LARGEST_NOTE)
      return { pid: Number(text.trim()) || 0, at }
    } catch (error) {
      if (isShortage(error)) throw error
      return undefined
    }
  }

  /**
   * Makes sure that the run's shell, should it still come, does not start drush: whoever creates `started` first wins.
   * @returns whether we were first, so that no child of this run can ever do anything.
   */
  fence(run: string): boolean {
    try {
      closeSync(openSync(this.#started(run), 'wx', 0o600))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  /** The exit status as the run's shell noted it; undefined: it could not, or has not yet. */
  readExit(run: string): RunExit | undefined {
    try {
      const text = readPlainFile(this.#exit(run), LARGEST_NOTE)
      return /^\d{1,3}\n$/.test(text) ? exitOfShellStatus(Number(text)) : undefined
    } catch {
      return undefined
    }
  }

  /** When the run's shell noted the exit status, in milliseconds since 1970; undefined: it has not. */
  exitNotedAt(run: string): number | undefined {
    const stats = lstatSync(this.#exit(run), { throwIfNoEntry: false })
    return stats && Math.floor(stats.mtimeMs)
  }

  #started(run: string): string {
    return join(this.#runs, run, 'started')
  }

  #exit(run: string): string {
    return join(this.#runs, run, 'exit')
  }
}
