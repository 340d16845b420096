import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { SkynetError } from '../config/skynet-error.js'
import { isShortage, overwrite, readDatedFile, readPlainFile, replaceFile } from './plain-file.js'
import { isSameProcess, type ProcessIdentity } from './process-table.js'
import { ownedSchema, runRecordSchema, type RunExit, type RunLife, type RunRecord } from './run-record.js'

/** What the system answers where the state directory is somebody else's, or not one. */
const UNSAFE = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'ELOOP'])

/** More than any record takes, in bytes. */
const LARGEST = 65_536

/** More than any number takes that a run's shell notes, in bytes. */
const LARGEST_NOTE = 16

/** How the name begins of a folder that is made ready for a run; hidden, so that it is none yet. */
const READY = '.ready.'

/** How the name begins of a folder that is being removed: it is no run any more. */
const GONE = '.gone.'

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
  /** Where `prepare` makes a run's folder ready. */
  readonly #ready: string
  #isReady = false
  #isSwept = false

  /**
   * @param dir the state directory, or one inside it; made, with 0700, where it is missing.
   * @param form what a record must be.
   * @throws SkynetError when it is not ours, or holds something else in the place of our folders
   */
  constructor(dir: string, form: v.GenericSchema<unknown, R>) {
    this.#form = form
    this.#runs = join(dir, 'runs')
    this.#history = join(dir, 'history')
    this.#ready = join(this.#runs, READY + String(process.pid))
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
    return join(this.#runs, run)
  }

  /** Output of a run that is not settled. */
  outputFile(run: string): string {
    return join(this.#runs, run, 'output')
  }

  /** Output of a settled run. */
  settledOutputFile(run: string): string {
    return join(this.#history, run, 'output')
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

  /** Makes the run's directory with its first record; throws when the disk will not take it. */
  create(record: R): void {
    if (this.#isReady) {
      this.#isReady = false
      try {
        overwrite(join(this.#ready, 'record.json'), textOf(record))
        renameSync(this.#ready, this.directory(record.run))
        return
      } catch {
        // Another daemon has led meanwhile, or the disk is full: it is tried from the beginning.
        this.#isSwept = false
      }
    }
    this.#createBeside(record)
  }

  /** The folder comes into being with its record in it, so that nobody ever sees one without, even if we die on the way. */
  #createBeside(record: R): void {
    const beside = join(this.#runs, `${READY}${record.run}.${record.owner.pid}`)
    try {
      rmSync(beside, { recursive: true, force: true })
      mkdirSync(beside, { recursive: true, mode: 0o700 })
      replaceFile(join(beside, 'record.json'), textOf(record))
      renameSync(beside, this.directory(record.run))
    } catch (error) {
      rmSync(beside, { recursive: true, force: true })
      throw error
    }
  }

  /**
   * As `create`, of a run whose name others may give it too: whoever is first has it.
   * @returns whether we were first.
   */
  createIfFirst(record: R): boolean {
    try {
      this.#createBeside(record)
      return true
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
      throw error
    }
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
    const started = record.state === 'starting' ? this.readStarted(record.run) : undefined
    return started?.pid ? { ...record, state: 'running', started_at: started.at } : record
  }

  /** Whether the run stands where those are that are not settled, whoever follows it. */
  isOpen(run: string): boolean {
    return existsSync(this.directory(run))
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

  /** pid and time of the run's shell as it noted them itself; undefined: it never came to run. @throws where that cannot be told now */
  readStarted(run: string): { pid: number; at: number } | undefined {
    try {
      // Its time is the child's own clock, whatever has become of ours.
      const { text, at } = readDatedFile(join(this.directory(run), 'started'), LARGEST_NOTE)
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
      closeSync(openSync(join(this.directory(run), 'started'), 'wx', 0o600))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  /** The exit status as the run's shell noted it; undefined: it could not, or has not yet. */
  readExit(run: string): RunExit | undefined {
    try {
      const text = readPlainFile(join(this.directory(run), 'exit'), LARGEST_NOTE)
      return /^\d{1,3}\n$/.test(text) ? exitOfShellStatus(Number(text)) : undefined
    } catch {
      return undefined
    }
  }

  /** When the run's shell noted the exit status, in milliseconds since 1970; undefined: it has not. */
  exitNotedAt(run: string): number | undefined {
    const stats = lstatSync(join(this.directory(run), 'exit'), { throwIfNoEntry: false })
    return stats && Math.floor(stats.mtimeMs)
  }

  /** Bytes that this user may still write in the state directory. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#runs)
    return bavail * bsize
  }

  /** All at once: were the fence removed by itself, a shell that still comes would start drush in what is left. */
  remove(run: string): void {
    if (!this.isOpen(run)) return
    const gone = join(this.#runs, `${GONE}${run}.${process.pid}`)
    rmSync(gone, { recursive: true, force: true })
    renameSync(this.directory(run), gone)
    rmSync(gone, { recursive: true, force: true })
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

/** A shell gives 128 + N for a child that signal N ended; drush itself uses 0, 1 and 255. */
export function exitOfShellStatus(status: number): RunExit {
  const signal = SIGNALS[status - 128]
  return signal === undefined ? { kind: 'code', code: status } : { kind: 'signal', signal }
}

const SIGNALS: Record<number, string> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  4: 'ILL',
  6: 'ABRT',
  7: 'BUS',
  8: 'FPE',
  9: 'KILL',
  10: 'USR1',
  11: 'SEGV',
  12: 'USR2',
  13: 'PIPE',
  14: 'ALRM',
  15: 'TERM',
  24: 'XCPU',
  25: 'XFSZ',
  31: 'SYS',
}
