import type { PidMark } from './pid-sequence.js'
import { isShortage } from './plain-file.js'
import type { Process, ProcessIdentity, ProcessTable } from './process-table.js'
import type { Cancellation, RunLife, RunRecord } from './run-record.js'
import type { ShellReport } from './run-shell.js'
import { OwnershipLost, type RunStoreOf } from './run-store.js'
import { trimOutput } from './run-output.js'
import { drushOf, sessionState, type SessionState } from './run-session.js'
import { RunTree } from './run-tree.js'

/** How often a run whose end nobody tells us is looked at, in milliseconds: an adopted one, or orphans. */
const LOOK_INTERVAL = 250

/** How often an own child is looked at besides: its output's size, its time limit. */
const CARE_INTERVAL = 1_000

/** Between TERM and KILL for a run that passed its time limit, in milliseconds. */
const TIMEOUT_GRACE = 30_000

export interface RunSurroundings<R extends RunLife = RunRecord> {
  store: RunStoreOf<R>
  processes: ProcessTable
  now: () => number
  outputLimit: number
  /** How long the run may take, in milliseconds; null: as long as it likes. */
  timeout: () => number | null
  /**
   * Whether the run is over when drush has exited, whatever it has left in the background. A drush that a signal ended
   * left its backend behind against its will: that one is waited for all the same.
   */
  endsWithDrush?: boolean
}

/** What has been told of the run and tells how drush left. */
export interface StartedShell {
  readonly reported: Promise<ShellReport>
  /** When nothing of the run was there but the shell. */
  readonly since: PidMark | undefined
  /** Has the shell leave with drush. */
  dismiss(): void
}

/** `taken over`: another daemon has adopted the run; this one has let go of it. */
export type RunEvent =
  | { kind: 'orphaned'; pids: number[] }
  | { kind: 'timed out' }
  /** TERM was not enough. */
  | { kind: 'killed'; pids: number[] }
  /** `isNoted`: its shell has noted how drush exited. */
  | { kind: 'ended'; isNoted: boolean }
  /** Its processes cannot be looked at, for want of file descriptors as a rule. Told once, until they can again. */
  | { kind: 'out of sight'; error: unknown }
  | { kind: 'taken over' }

/**
 * One run while its session lives: from the moment that its child exists to the moment that nothing of it is left. It
 * keeps the record true, the output within its limit, and tells each change once.
 */
export class Run<R extends RunLife = RunRecord> {
  record: R
  readonly child: ProcessIdentity
  readonly #surroundings: RunSurroundings<R>
  readonly #listener: (event: RunEvent) => void
  readonly #shell: StartedShell | undefined
  #released = false
  /** Ends the wait for the next look. */
  #wake: () => void = () => undefined
  readonly #tree: RunTree
  /** When it is to be killed, should it still be there; undefined: nobody has asked it to end. */
  #killAt: number | undefined
  #isKilled = false
  #report: ShellReport | undefined
  /** Whether the record on disk says what this one does, as of each run that is still there when it is looked at. */
  #isWritten = false
  #leavesNothing = false
  #isOutOfSight = false
  #isWithoutShell = false

  /**
   * @param shell the child, where it is ours; an adopted one is watched from outside.
   */
  constructor(
    record: R & { child: ProcessIdentity },
    surroundings: RunSurroundings<R>,
    listener: (event: RunEvent) => void,
    shell?: StartedShell,
  ) {
    this.record = record
    this.child = record.child
    this.#surroundings = surroundings
    this.#listener = listener
    this.#shell = shell
    this.#tree = new RunTree(surroundings.processes, record.child)
    void shell?.reported.then((report) => {
      this.#report = report
      this.#wake()
    })
  }

  /** Follows the run to its end; resolves then, or when it was released. */
  async follow(): Promise<void> {
    const { store } = this.#surroundings
    // A shell of ours was there a moment ago, and what it has to say it says itself.
    if (this.#shell) await this.#untilNextLook()
    while (!this.#isReleased() && !this.#isOver()) await this.#untilNextLook()
    if (this.#isReleased()) return
    this.#trim(this.#surroundings.outputLimit)
    const report = this.#report ?? (await this.#shell?.reported)
    const noted = report?.isNoted ? report.exit : store.notes.readExit(this.record.run)
    // Noted by the run's shell, so its end is on disk already; the record follows with the outcome, a moment later as a
    // rule (`RunKeeper.settling`).
    this.record = {
      ...this.record,
      state: 'ended',
      ended_at: this.#endedAt(),
      exit: noted ?? report?.exit ?? this.record.exit ?? { kind: 'unknown' },
    }
    this.#listener({ kind: 'ended', isNoted: noted !== undefined })
  }

  /** One look. A run that cannot be looked at is taken to go on: its slot and its locks are held. */
  #isOver(): boolean {
    try {
      const isOver = this.#look()
      this.#isOutOfSight = false
      return isOver
    } catch (error) {
      if (!isShortage(error)) throw error
      if (!this.#isOutOfSight) this.#listener({ kind: 'out of sight', error })
      this.#isOutOfSight = true
      return false
    }
  }

  /** @returns whether the run is over. */
  #look(): boolean {
    const { store, processes, endsWithDrush } = this.#surroundings
    this.#end()
    const state: SessionState = this.#outlivesShell()
      ? { kind: 'main alive' }
      : sessionState(processes, this.child, this.#hasExited(), this.#shell?.since)
    // What is being ended goes as a whole, also what would otherwise not count as work on the task.
    const isLeft = this.#killAt !== undefined && this.#left().length > 0
    if (state.kind === 'empty' && !isLeft) {
      this.#leavesNothing = state.isBare
      return true
    }
    if (endsWithDrush && state.kind === 'orphans' && store.notes.readExit(this.record.run)?.kind === 'code') return true
    if (state.kind === 'orphans' && this.record.state === 'running') {
      this.#update({
        state: 'orphaned',
        exit: this.#report?.exit ?? store.notes.readExit(this.record.run) ?? { kind: 'unknown' },
      })
      if (this.#isReleased()) return false
      this.#listener({ kind: 'orphaned', pids: state.processes.map((process) => process.pid) })
    }
    if (!this.#isWritten) this.#update({})
    if (!this.#isReleased()) this.#care()
    return false
  }

  /**
   * Whether drush goes on without its shell, which alone was killed. How drush will end nobody is told then, least of all that
   * it ended as its shell did. (A drush that was killed with its shell may be there for a moment yet: the next look tells.)
   */
  #outlivesShell(): boolean {
    const { processes } = this.#surroundings
    const isNoted = this.#shell ? this.#report?.isNoted : this.#hasExited()
    if (isNoted) return false
    const { drush } = this.record
    if (processes.isAlive(this.child)) {
      if (!drush && !this.#report) this.#noteDrush()
      return false
    }
    if (!drush || !processes.isAlive(drush)) return false
    if (this.#isWithoutShell) this.#report = { exit: { kind: 'unknown' }, isNoted: false }
    this.#isWithoutShell = true
    return true
  }

  /** Before it is needed: what ends within a second is not looked at while it runs. */
  #noteDrush(): void {
    const drush = drushOf(this.#surroundings.processes, this.child)
    if (!drush) return
    this.record = { ...this.record, drush }
    this.#isWritten = false
  }

  /** Whether its session, when it ended, held nothing but the shell, if that. */
  get leavesNothing(): boolean {
    return this.#leavesNothing
  }

  /** Whether drush is known to have exited. What an adopted run's shell has to say only its note tells. */
  #hasExited(): boolean {
    if (this.#shell) return this.#report !== undefined
    return this.#surroundings.store.notes.readExit(this.record.run) !== undefined
  }

  /** Who is alive of it, but for a shell that has noted drush's end: a frozen daemon may have it wait for another run. */
  #left(): Process[] {
    const alive = this.#tree.alive()
    return this.#hasExited() ? alive.filter(({ pid }) => pid !== this.child.pid) : alive
  }

  /** An adopted run may have ended long before anybody looked: when, its shell's note says. */
  #endedAt(): number {
    const { store, now } = this.#surroundings
    const noted = this.#shell || this.record.state === 'orphaned' ? undefined : store.notes.exitNotedAt(this.record.run)
    return noted ?? now()
  }

  /** Lets go of the run and leaves it alone: its child goes on, another daemon adopts it. Idempotent. */
  release(): void {
    this.#released = true
    this.#wake()
  }

  /**
   * Notes on disk that the run is to be ended; `terminate` ends it. @returns whether this is news: a run that is being
   * ended is so only once.
   */
  cancel(cancellation: Cancellation): boolean {
    if (this.record.cancellation) return false
    // Whoever asks learns that it was refused: it is not to be carried out later all the same.
    this.#update({ cancellation }, { ifRefused: 'forgotten' })
    return !this.#isReleased()
  }

  /** Ends a cancelled run: TERM now, KILL to what is left after its grace. */
  terminate(): void {
    const { cancellation } = this.record
    if (!cancellation) return
    this.#update({ cancellation: { ...cancellation, term_at: this.#surroundings.now() } })
    if (!this.#isReleased()) this.#end()
  }

  #isReleased(): boolean {
    return this.#released
  }

  #trim(limit: number): void {
    try {
      trimOutput(this.#surroundings.store.outputFile(this.record.run), limit)
    } catch {
      // Some file systems need room for that too. It is tried again with the next look.
    }
  }

  #care(): void {
    const { now, outputLimit, timeout } = this.#surroundings
    this.#trim(outputLimit * 2)
    const { started_at, timed_out } = this.record
    const limit = timeout()
    if (limit === null || started_at === null || timed_out || now() - started_at <= limit) return
    this.#update({ timed_out: true })
    if (this.#isReleased()) return
    this.#listener({ kind: 'timed out' })
    this.#end()
  }

  /** Asks a run to end that timed out or was cancelled, once; kills what is left of it when its grace is over. */
  #end(): void {
    const { timed_out, cancellation } = this.record
    const termAt = cancellation?.term_at ?? null
    if (!timed_out && termAt === null) return
    const now = this.#surroundings.now()
    const grace = termAt === null || !cancellation ? TIMEOUT_GRACE : cancellation.grace_ms
    if (this.#killAt === undefined) {
      this.#tree.terminate()
      this.#killAt = Math.min(now, termAt ?? now) + grace
      this.#shell?.dismiss()
      return
    }
    // Cancelling what had timed out may shorten its grace; a clock that was set back does not prolong it.
    this.#killAt = Math.min(this.#killAt, now + grace)
    // Looked at each time, so that what leaves the session in the meantime is known.
    const alive = this.#left()
    if (now < this.#killAt || alive.length === 0) return
    if (!this.#isKilled) this.#listener({ kind: 'killed', pids: alive.map(({ pid }) => pid) })
    this.#isKilled = true
    this.#tree.kill()
  }

  #update(change: Partial<RunLife>, { ifRefused = 'kept' }: { ifRefused?: 'kept' | 'forgotten' } = {}): void {
    const before = this.record
    this.record = { ...before, ...change }
    this.#isWritten = true
    try {
      this.#surroundings.store.write(this.record)
    } catch (error) {
      if (error instanceof OwnershipLost) {
        if (ifRefused === 'forgotten') this.record = before
        this.release()
        this.#listener({ kind: 'taken over' })
      }
      // Else a full disk: the evidence (processes, exit file) stays, and whoever settles the run writes it again.
    }
  }

  /** A shell of ours cuts the wait short. */
  async #untilNextLook(): Promise<void> {
    if (this.#isReleased()) return
    const isReportDue = this.#shell !== undefined && this.#report === undefined
    const ms = isReportDue && this.#killAt === undefined ? CARE_INTERVAL : LOOK_INTERVAL
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
