import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { SkynetError } from '../config/skynet-error.js'
import { isShortage, readPlainFile, replaceFile } from './plain-file.js'
import { isSameProcess, type ProcessIdentity } from './process-table.js'
import { RunFolders } from './run-folders.js'
import { ownedSchema, runRecordSchema, type RunLife, type RunRecord } from './run-record.js'
import { ShellNotes } from './shell-notes.js'

/** What the system answers where the state directory is somebody else's, or not one. */
const UNSAFE = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'ELOOP'])

/** More than any record takes, in bytes. */
const LARGEST = 65_536

/** A record that cannot be used; it is shown and never touched. */
export interface UnreadableRecord {
  run: string
  reason: string
}

/**
 * The runs on disk. `DIR/runs/RUN/` is one that is not settled, `DIR/history/RUN/` one that is: so a daemon that starts
 * reads what it has to adopt and not what has been. Such a folder holds
 *
 * - `record.json`, written beside and renamed;
 * - `output`, which the run's shell makes, and the child itself appends to;
 * - `started`, made by the run's shell before it runs drush, holding its pid (see run-shell.ts);
 * - `exit`, the exit status, written by the run's shell.
 *
 * Nothing is synced to the disk's platter: what must survive a crash of ours does, and after a crash of the machine
 * no child lives, the claim in the database names the run, and the run is settled from that.
 */
export class RunStoreOf<R extends RunLife> {
  readonly #form: v.GenericSchema<unknown, R>
  readonly #runs: string
  readonly #history: string
  readonly #folders: RunFolders
  /** What the shells of the runs say of themselves. */
  readonly notes: ShellNotes

  /**
   * @param dir the state directory, or one inside it; made, with 0700, where it is missing.
   * @param form what a record must be.
   * @throws SkynetError when it is not ours, or holds something else in the place of our folders
   */
  constructor(dir: string, form: v.GenericSchema<unknown, R>) {
    this.#form = form
    this.#runs = join(dir, 'runs')
    this.#history = join(dir, 'history')
    this.#folders = new RunFolders(this.#runs)
    this.notes = new ShellNotes(this.#runs)
    try {
      for (const folder of [this.#runs, this.#history]) {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        if (!lstatSync(folder).isDirectory()) throw Object.assign(new Error(`${folder} is a link`), { code: 'ENOTDIR' })
      }
      chmodSync(dir, 0o700)
    } catch (cause) {
      const { code = '', message } = cause as NodeJS.ErrnoException
      if (!UNSAFE.has(code)) throw cause
      throw new SkynetError('CONFIG_UNSAFE', `The state directory ${dir} cannot be used: ${message}.`, {
        remedy: 'It must belong to the user that Skynet runs as, and hold real folders: see skynet doctor.',
        cause,
      })
    }
  }

  /** Folder of the folders of the runs that are not settled. */
  get runsDirectory(): string {
    return this.#runs
  }

  /** Folder of a run that is not settled. */
  directory(run: string): string {
    return this.#folders.path(run)
  }

  /** Output of a run that is not settled. */
  outputFile(run: string): string {
    return join(this.#runs, run, 'output')
  }

  /** Output of a settled run. */
  settledOutputFile(run: string): string {
    return join(this.#history, run, 'output')
  }

  /** Makes the next `create` a quick one. */
  prepare(): void {
    this.#folders.prepare()
  }

  /** Makes the run's directory with its first record; throws when the disk will not take it. */
  create(record: R): void {
    this.#folders.create(record.run, textOf(record))
  }

  /** As `create`, of a run whose name others may give it too. @returns whether we were first, and so have it. */
  createIfFirst(record: R): boolean {
    return this.#folders.createIfFirst(record.run, textOf(record))
  }

  /**
   * Writes a record that is ours, where its folder still is. @throws OwnershipLost when another daemon has adopted the run since, or settled it: it
   * is its business from then on, and what we know of it is old.
   */
  write(record: R): void {
    if (this.isTaken(record)) throw new OwnershipLost(record.run)
    this.#write(record)
  }

  /**
   * Writes the last record of a run that is ours, and puts it where the settled ones are. That somebody has emptied the
   * state directory under us must not keep a run from being settled. @throws OwnershipLost, also where we were frozen
   * between two of these steps and another daemon has settled the run meanwhile: what it put there, with the output, stays
   */
  settle(record: R): void {
    if (this.isTaken(record)) throw new OwnershipLost(record.run)
    try {
      this.#write(record)
    } catch (error) {
      this.#refuseSettled(record.run, error)
      this.adopt(record)
    }
    try {
      this.moveToHistory(record.run)
    } catch (error) {
      this.#refuseSettled(record.run, error)
      throw error
    }
  }

  /** @throws OwnershipLost where the run's folder is gone because the run is settled; the error, where that is another. */
  #refuseSettled(run: string, error: unknown): void {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (this.isSettled(run)) throw new OwnershipLost(run)
  }

  /** Whether the record stands there as it was written last, so that nobody has adopted, settled or removed the run since. */
  isAsWritten(record: R): boolean {
    try {
      return readPlainFile(join(this.directory(record.run), 'record.json'), LARGEST) === textOf(record)
    } catch {
      return false
    }
  }

  /** Whether another daemon has adopted the run since, or settled it. @throws where that cannot be told now */
  isTaken(record: R): boolean {
    const owner = this.#ownerOf(record.run)
    return owner ? !isSameProcess(owner, record.owner) : this.isSettled(record.run)
  }

  /** Asked with every write: no more is looked at than that. */
  #ownerOf(run: string): ProcessIdentity | undefined {
    try {
      const record: unknown = JSON.parse(readPlainFile(join(this.directory(run), 'record.json'), LARGEST))
      return v.parse(ownedSchema, record).owner
    } catch (error) {
      if (isShortage(error)) throw error
      return undefined
    }
  }

  /**
   * Makes a run ours, whoever followed it before, where it still is: its former owner may have settled it meanwhile.
   * @returns whether it was there.
   */
  takeOver(record: R): boolean {
    try {
      this.#write(record)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  /** As `takeOver`, of a run whose folder may have been lost: it is made anew. */
  adopt(record: R): void {
    mkdirSync(this.directory(record.run), { recursive: true, mode: 0o700 })
    this.#write(record)
  }

  #write(record: R): void {
    const file = join(this.directory(record.run), 'record.json')
    replaceFile(file, textOf(record), `${file}.${record.owner.pid}.new`)
  }

  /** @throws where that cannot be told now, as `list` and `readHistory` */
  read(run: string): R | UnreadableRecord {
    return this.#read(this.#runs, run)
  }

  #read(folder: string, run: string): R | UnreadableRecord {
    try {
      const file = join(folder, run, 'record.json')
      const record = v.parse(this.#form, JSON.parse(readPlainFile(file, LARGEST)))
      if (record.run !== run) return { run, reason: `it names another run, ${record.run}` }
      return folder === this.#runs ? this.#withNote(record) : record
    } catch (error) {
      // Left alone as unreadable, a run that goes on would hold neither slot nor locks.
      if (isShortage(error)) throw error
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return { run, reason: 'record.json is missing' }
      if (error instanceof SyntaxError) return { run, reason: 'record.json is not JSON: cut off or garbage' }
      if (code !== undefined) return { run, reason: `record.json cannot be read (${code})` }
      return { run, reason: 'record.json is not of a form that this version knows' }
    }
  }

  /** That drush has been begun its shell notes at once, and the daemon a second later (`Run`). */
  #withNote(record: R): R {
    const started = record.state === 'starting' ? this.notes.readStarted(record.run) : undefined
    return started?.pid ? { ...record, state: 'running', started_at: started.at } : record
  }

  /** Whether the run stands where those are that are not settled, whoever follows it. */
  isOpen(run: string): boolean {
    return this.#folders.isThere(run)
  }

  /** Whether the run stands where the settled ones are, whoever settled it. */
  isSettled(run: string): boolean {
    return existsSync(join(this.#history, run))
  }

  /** Every run that is not settled, oldest first. */
  list(): (R | UnreadableRecord)[] {
    return this.names().map((name) => this.#read(this.#runs, name))
  }

  /** Names of the runs that are not settled, oldest first. */
  names(): string[] {
    return this.#names(this.#runs)
  }

  /** Names of the settled runs, oldest first. */
  historyNames(): string[] {
    return this.#names(this.#history)
  }

  readHistory(run: string): R | UnreadableRecord {
    return this.#read(this.#history, run)
  }

  /** Puts a settled run where the settled ones are. */
  moveToHistory(run: string): void {
    const target = join(this.#history, run)
    try {
      renameSync(this.directory(run), target)
    } catch (error) {
      // What is in the way there, or the folder itself that is gone, is somebody's else doing.
      if (!existsSync(this.directory(run))) throw error
      mkdirSync(this.#history, { recursive: true, mode: 0o700 })
      rmSync(target, { recursive: true, force: true })
      renameSync(this.directory(run), target)
    }
  }

  /** As `moveToHistory`, of one whose record says settled: whoever wrote that may move it himself before we do. */
  finishMove(run: string): void {
    try {
      this.moveToHistory(run)
    } catch (error) {
      if (!this.isSettled(run)) throw error
    }
  }

  removeHistory(run: string): void {
    rmSync(join(this.#history, run), { recursive: true, force: true })
  }

  #names(folder: string): string[] {
    if (!existsSync(folder)) return []
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort()
  }

  /** Bytes that this user may still write in the state directory. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#runs)
    return bavail * bsize
  }

  remove(run: string): void {
    this.#folders.remove(run)
  }
}

/** The runs of tasks. */
export class RunStore extends RunStoreOf<RunRecord> {
  /** @throws SkynetError */
  constructor(dir: string) {
    super(dir, runRecordSchema)
  }
}

function textOf(record: RunLife): string {
  return JSON.stringify(record, null, 2) + '\n'
}

/** Another daemon has adopted the run. */
export class OwnershipLost extends Error {
  constructor(run: string) {
    super(`run ${run} was adopted by another daemon`)
    this.name = 'OwnershipLost'
  }
}

export function isReadable<R extends RunLife>(record: R | UnreadableRecord): record is R {
  return 'version' in record
}
