import type { TaskRow } from '../hostmaster/task-queries.js'
import type { Logger } from '../observe/logger.js'
import { printable } from '../observe/printable.js'
import { adoptionOf } from '../runner/adoption.js'
import { isSameProcess, type ProcessIdentity, type ProcessTable } from '../runner/process-table.js'
import { rebuiltRun, resumedRun, type ResumedRun } from '../runner/resumed-run.js'
import { Run, type RunEvent, type StartedShell } from '../runner/run.js'
import { shownProcess } from '../runner/run-session.js'
import { plannedRecord, runName, type Cancellation, type RunOutcome, type RunRecord } from '../runner/run-record.js'
import { OwnershipLost, isReadable, type RunStore, type UnreadableRecord } from '../runner/run-store.js'
import type { ChildSurroundings, DrushCommand } from '../runner/run-shell.js'
import { ShellPool } from '../runner/shell-pool.js'
import { recordOf, type ActiveRun } from './active-run.js'
import type { Clock } from './clock.js'
import { LostRuns } from './lost-runs.js'
import { RunShells } from './run-shells.js'

export interface RunSettings {
  drush: DrushCommand
  /** How long a run of this type may take, in milliseconds: `[timeouts]`, `[drush] timeout`; null: as long as it likes. */
  timeout: (type: string) => number | null
  /** `[state] output_limit`, bytes. */
  outputLimit: number
}

export interface RunKeeperOptions {
  store: RunStore
  processes: ProcessTable
  clock: Clock
  logger: Logger
  surroundings: ChildSurroundings
  /** This daemon, as the owner of its runs. */
  self: ProcessIdentity
  settings: () => RunSettings
  /** A run's drush has exited: its end is near, as a rule. */
  ending: () => void
  /** Something happened to a run: the daemon's loop has to look. */
  changed: () => void
}

/** The runs that hold slots and locks, from their record to their settlement; it knows nothing of the database. */
export class RunKeeper {
  readonly #options: RunKeeperOptions
  readonly #active = new Map<string, ActiveRun>()
  #foreignMachine: RunRecord[] = []
  #unreadable: UnreadableRecord[] = []
  readonly #shells: RunShells
  #isSettling = false
  readonly #lost: LostRuns
  /** Adopted, and yet to be told of: one that fails half-way is continued later. */
  readonly #adopted: RunRecord[] = []

  constructor(options: RunKeeperOptions) {
    this.#options = options
    const { store, surroundings, processes } = options
    this.#lost = new LostRuns((run) => store.isOpen(run))
    this.#shells = new RunShells(new ShellPool(store.runsDirectory, surroundings, processes))
  }

  get active(): ActiveRun[] {
    return [...this.#active.values()]
  }

  /** Records that are shown and never settled: of another machine, or of a form that we cannot read. */
  get untouchable(): { foreign: RunRecord[]; unreadable: UnreadableRecord[] } {
    return { foreign: this.#foreignMachine, unreadable: this.#unreadable }
  }

  /** Whether another daemon has taken a run of ours since we adopted: it is to be adopted once more (`LostRuns`). */
  get hasLostRuns(): boolean {
    return !this.#lost.isEmpty
  }

  find(predicate: (record: RunRecord) => boolean): ActiveRun | undefined {
    return this.active.find((active) => predicate(recordOf(active)))
  }

  /** Our runs by the session of their child, to tell whose a nested task is. */
  sessions(): Map<number, string> {
    const sessions = new Map<number, string>()
    for (const active of this.active) {
      const { child, run } = recordOf(active)
      if (child) sessions.set(child.pid, run)
    }
    return sessions
  }

  /** The pid to name when somebody asks for the run's process; null: there is none. */
  processOf(record: RunRecord): number | null {
    return shownProcess(this.#options.processes, record)
  }

  /** Makes the next start a quick one. */
  prepare(): void {
    const { store, settings } = this.#options
    store.prepare()
    this.#shells.prepare(settings().drush)
  }

  /**
   * Puts the record of a planned run on disk, which names the shell that will be its child.
   * @throws NoProcess, or the error of the file system: then nothing is started.
   */
  plan(task: TaskRow, footprint: NonNullable<RunRecord['footprint']>): RunRecord {
    const { store, clock, self, settings } = this.#options
    const planned_at = clock.now()
    const run = runName(task, planned_at)
    const shell = this.#shells.take(run, settings().drush)
    const record = plannedRecord({
      run,
      nid: task.nid,
      vid: task.vid,
      type: printable(task.type),
      rid: task.rid,
      object: printable(task.object),
      footprint,
      owner: self,
      child: shell.identity,
      planned_at,
    })
    try {
      store.create(record)
    } catch (error) {
      this.#shells.release(run)
      throw error
    }
    this.#active.set(record.run, { phase: 'starting', record })
    return record
  }

  /** Takes a planned run back of which no claim and no child exists. */
  withdraw(record: RunRecord): void {
    this.#active.delete(record.run)
    try {
      this.#options.store.remove(record.run)
    } finally {
      this.#shells.release(record.run)
    }
  }

  /**
   * Gives a planned run up whose claim may have reached the database: no child of it will ever do anything, and the
   * claim is removed when the run is settled.
   */
  giveUp(record: RunRecord): void {
    this.#shells.dismiss(record.run)
    try {
      this.#options.store.notes.fence(record.run)
    } catch {
      // The directory is gone: another daemon has adopted the run and taken it back. Without it no child can start either.
    }
    this.#active.set(record.run, { phase: 'ended', record, appeared: false, makesRoom: false })
  }

  /**
   * Starts the claimed run's child.
   * @throws OwnershipLost when another daemon adopted the run since it was planned, which is given up then.
   */
  start(record: RunRecord): void {
    const { store, clock, ending } = this.#options
    const shell = this.#shells.of(record.run)
    // We may have been frozen since the claim was granted. (Should the other one come now, the shell's fence decides.)
    if (!shell || !store.isAsWritten(record)) {
      this.giveUp(record)
      throw new OwnershipLost(record.run)
    }
    const reported = shell.begin(record.run, ['hosting-task', String(record.nid)])
    void reported.then(ending)
    const running = { ...record, state: 'running' as const, child: shell.identity, started_at: clock.now() }
    this.#follow(running, { reported, since: shell.since, dismiss: () => this.#shells.dismiss(record.run) })
  }

  /**
   * Takes over every unsettled run of this machine in the state directory, oldest first.
   * @returns those that were not ours already, with those of an adoption that failed half-way.
   */
  adopt(): RunRecord[] {
    this.#lost.adopt((cancellationOf) => this.#adoptAll(cancellationOf))
    return this.#adopted.splice(0)
  }

  #adoptAll(cancellationOf: (run: string) => Cancellation | undefined): void {
    const { store, processes, clock, self } = this.#options
    this.#foreignMachine = []
    this.#unreadable = []
    // Another daemon may have led in between.
    for (const record of this.active.map(recordOf)) if (store.isSettled(record.run)) this.forget(record)
    for (const record of store.list()) {
      if (!isReadable(record)) this.#unreadable.push(record)
      else if (record.owner.machine !== processes.machine) {
        if (record.state !== 'settled') this.#foreignMachine.push(record)
      } else if (record.state === 'settled') store.finishMove(record.run)
      else if (!this.#active.has(record.run) || !isSameProcess(record.owner, self)) {
        const followed = this.#active.get(record.run)
        const asked = cancellationOf(record.run) ?? (followed && recordOf(followed).cancellation)
        // Its TERM is sent with the first look, whether or not it was sent before: the grace begins now.
        const anew = asked?.term_at == null ? asked : { ...asked, term_at: clock.now() }
        const cancellation = record.cancellation ?? anew
        const ours = { ...record, owner: self, ...(cancellation && { cancellation }) }
        // What we follow already we go on to follow where one of these fails.
        const isThere = store.takeOver(ours)
        const adoption = isThere ? adoptionOf(record, store, processes) : undefined
        this.forget(record)
        if (!adoption) continue
        this.#resume(resumedRun(ours, adoption, store, clock.now()))
        this.#adopted.push(ours)
      }
    }
  }

  /** Rebuilds a run of which only the claim in the database is left (`rebuiltRun`). @returns its record. */
  recover(run: string): RunRecord | undefined {
    if (this.#active.has(run)) return undefined
    const { store, processes, self, clock } = this.#options
    const resumed = rebuiltRun(run, { store, processes, self, now: clock.now() })
    if (resumed) this.#resume(resumed)
    return resumed?.record
  }

  /** drush is being asked whether it works at all; the run keeps its slot until the answer is there. */
  judge(record: RunRecord, answer: Promise<string | undefined>): void {
    this.#noteEnd(record)
    this.#active.set(record.run, { phase: 'judging', record })
    void answer.then((drushFault) => {
      if (!this.#active.has(record.run)) return
      this.#active.set(record.run, { phase: 'judged', record, drushFault })
      this.#options.changed()
    })
  }

  /**
   * Whether what ends is settled at once, which notes its end together with its outcome. Where it cannot be, without the
   * database for one, the record is to say at least that the run has ended.
   */
  set settling(isSettling: boolean) {
    this.#isSettling = isSettling
    this.#shells.isReused = isSettling
    if (isSettling) return
    for (const active of this.#active.values())
      if (active.phase === 'ended' && active.appeared) this.#noteEnd(active.record)
  }

  #noteEnd(record: RunRecord): void {
    try {
      this.#options.store.write(record)
    } catch {
      // A full disk: the evidence (no process, the exit file) stays. Or another daemon has the run: settling it tells.
    }
  }

  /** It is decided what becomes of the run; what is left to do may have to be tried again, the decision not. */
  decide(record: RunRecord, outcome: RunOutcome, giveUp?: string): ActiveRun {
    const decided = { phase: 'decided' as const, record, outcome, ...(giveUp === undefined ? {} : { giveUp }) }
    this.#active.set(record.run, decided)
    return decided
  }

  /** The outcome is known: notes it on disk, then frees the slot. */
  settle(record: RunRecord, outcome: RunOutcome): RunRecord {
    const { store, clock } = this.#options
    const settled: RunRecord = { ...record, state: 'settled', outcome, settled_at: clock.now() }
    if (outcome === 'withdrawn') store.remove(record.run)
    else {
      store.settle(settled)
    }
    this.#active.delete(record.run)
    this.#shells.release(record.run)
    return settled
  }

  /** Another daemon has taken it. */
  lose(record: RunRecord): void {
    this.forget(record)
    this.#lost.note(record.run, record.cancellation)
  }

  /** Another daemon has it, or will have. */
  forget(record: RunRecord): void {
    const active = this.#active.get(record.run)
    if (active?.phase === 'following') active.run.release()
    this.#active.delete(record.run)
    this.#shells.dismiss(record.run)
  }

  /** Lets go of every run; the children go on. Idempotent. */
  releaseAll(): void {
    this.#shells.dismissIdle()
    for (const active of this.active) this.forget(recordOf(active))
  }

  #resume(resumed: ResumedRun): void {
    if (resumed.kind === 'follow') this.#follow(resumed.record)
    else {
      const { record, appeared } = resumed
      this.#active.set(record.run, { phase: 'ended', record, appeared, makesRoom: false })
    }
  }

  #follow(record: RunRecord & { child: ProcessIdentity }, shell?: StartedShell): void {
    const { store, processes, clock, settings, logger, changed } = this.#options
    const { outputLimit } = settings()
    // A limit that is set while the task runs is meant for it too.
    const timeout = () => settings().timeout(record.type)
    const surroundings = { store, processes, now: () => clock.now(), timeout, outputLimit }
    const run = new Run(record, surroundings, (event) => this.#tell(run, event), shell)
    this.#active.set(record.run, { phase: 'following', record, run })
    run.follow().catch((error: unknown) => {
      // Following reads /proc and small files; should that ever fail, the run must not hold its slot unseen.
      logger.error({ err: error, run: record.run }, 'run can no longer be followed; it is settled from its evidence')
      this.#shells.dismiss(record.run)
      this.#active.set(record.run, { phase: 'ended', record: run.record, appeared: true, makesRoom: false })
      changed()
    })
  }

  #tell(run: Run, event: RunEvent): void {
    const { logger, changed } = this.#options
    const { nid, run: name } = run.record
    switch (event.kind) {
      case 'orphaned':
        this.#shells.dismiss(name)
        logger.warn(
          { nid, run: name, pids: event.pids },
          'drush is gone but its backend goes on; its object stays taken',
        )
        break
      case 'timed out':
        logger.warn({ nid, run: name }, 'run is longer than its time limit; it is being ended')
        break
      case 'killed':
        logger.warn({ nid, run: name, pids: event.pids }, 'run does not end when asked to; it is killed')
        break
      case 'ended':
        this.#ended(run, event.isNoted)
        break
      case 'out of sight':
        logger.warn({ nid, run: name, err: event.error }, 'run cannot be looked at; it is taken to go on')
        break
      case 'taken over':
        this.lose(run.record)
        break
    }
    changed()
  }

  /**
   * Where drush has exited with status 0, its end stands on disk in its shell's note, and the database is sure to say what
   * became of the task: the next one does not wait until that has been read and written down. After any other end, what is
   * read may forbid that anything starts.
   */
  #ended(run: Run, isNoted: boolean): void {
    const { record, leavesNothing } = run
    if (!this.#isSettling || !isNoted) this.#noteEnd(record)
    const makesRoom = isNoted && record.exit?.kind === 'code' && record.exit.code === 0
    this.#active.set(record.run, { phase: 'ended', record, appeared: true, makesRoom })
    // What the run has left in its session, the next one there would have to answer for.
    if (!leavesNothing || record.exit?.kind !== 'code') this.#shells.dismiss(record.run)
  }

  /** The run resists its settling: until that has been done its slot is taken after all. */
  retain(active: ActiveRun & { phase: 'ended' }): void {
    this.#active.set(active.record.run, { ...active, makesRoom: false })
  }
}
