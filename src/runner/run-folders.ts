import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { overwrite, replaceFile } from './plain-file.js'

/** How the name begins of a folder that is made ready for a run; hidden, so that it is none yet. */
const READY = '.ready.'

/** How the name begins of a folder that is being removed: it is no run any more. */
const GONE = '.gone.'

/**
 * How the folders of runs that are not settled come and go: each at one stroke, with its record in it, so that nobody ever
 * sees one without, even if we die on the way.
 */
export class RunFolders {
  readonly #runs: string
  /** Where `prepare` makes a run's folder ready. */
  readonly #ready: string
  #isReady = false
  #isSwept = false

  /** @param runs the folder that they are in. */
  constructor(runs: string) {
    this.#runs = runs
    this.#ready = join(runs, READY + String(process.pid))
  }

  path(run: string): string {
    return join(this.#runs, run)
  }

  /** Makes the next `create` a quick one: to make a folder and a file takes longer than to fill and to rename them. */
  prepare(): void {
    if (this.#isReady) return
    try {
      if (!this.#isSwept) this.#sweep()
      mkdirSync(this.#ready, { mode: 0o700 })
      closeSync(openSync(join(this.#ready, 'record.json'), 'wx', 0o600))
      this.#isReady = true
    } catch {
      // Whether the disk takes a run is for `create` to say.
      this.#isSwept = false
    }
  }

  /** Removes what predecessors had made ready or begun to remove, or we ourselves before we had to give it up. */
  #sweep(): void {
    for (const name of readdirSync(this.#runs)) {
      if (name.startsWith(READY) || name.startsWith(GONE))
        rmSync(join(this.#runs, name), { recursive: true, force: true })
    }
    this.#isSwept = true
  }

  /** Makes the run's folder with its first record; throws when the disk will not take it. */
  create(run: string, record: string): void {
    if (this.#isReady) {
      this.#isReady = false
      try {
        overwrite(join(this.#ready, 'record.json'), record)
        renameSync(this.#ready, this.path(run))
        return
      } catch {
        // Another daemon has led meanwhile, or the disk is full: it is tried from the beginning.
        this.#isSwept = false
      }
    }
    this.#createBeside(run, record)
  }

  /**
   * As `create`, of a run whose name others may give it too: whoever is first has it.
   * @returns whether we were first.
   */
  createIfFirst(run: string, record: string): boolean {
    try {
      this.#createBeside(run, record)
      return true
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
      throw error
    }
  }

  #createBeside(run: string, record: string): void {
    const beside = join(this.#runs, `${READY}${run}.${process.pid}`)
    try {
      rmSync(beside, { recursive: true, force: true })
      mkdirSync(beside, { recursive: true, mode: 0o700 })
      replaceFile(join(beside, 'record.json'), record)
      renameSync(beside, this.path(run))
    } catch (error) {
      rmSync(beside, { recursive: true, force: true })
      throw error
    }
  }

  /** Whether the run stands where those are that are not settled, whoever follows it. */
  isThere(run: string): boolean {
    return existsSync(this.path(run))
  }

  /** All at once: were the fence removed by itself, a shell that still comes would start drush in what is left. */
  remove(run: string): void {
    if (!this.isThere(run)) return
    const gone = join(this.#runs, `${GONE}${run}.${process.pid}`)
    rmSync(gone, { recursive: true, force: true })
    renameSync(this.path(run), gone)
    rmSync(gone, { recursive: true, force: true })
  }
}
