import { lstatSync } from 'node:fs'
import type { Conditions } from '../../observe/conditions.js'
import type { Logger } from '../../observe/logger.js'
import { adoptionOf, shellOf } from '../../runner/adoption.js'
import { isSameProcess, type ProcessIdentity, type ProcessTable } from '../../runner/process-table.js'
import { Run, type RunEvent, type StartedShell } from '../../runner/run.js'
import { machineFaultIn, readOutputEnd } from '../../runner/run-output.js'
import { PLANNED } from '../../runner/run-record.js'
import { OwnershipLost, isReadable, type UnreadableRecord } from '../../runner/run-store.js'
import {
  RunShell,
  UNWRITTEN,
  type ChildSurroundings,
  type DrushCommand,
  type ShellReport,
} from '../../runner/run-shell.js'
import type { Clock } from '../clock.js'
import { LostRuns } from '../lost-runs.js'
import { endDiskFault, tellDiskFault } from '../disk-fault.js'
import {
  partsOfRunName,
  scheduledRunName,
  type ScheduledOutcome,
  type ScheduledRun,
  type ScheduledRunStore,
} from './scheduled-run.js'

/** How many settled runs of each command are kept. */
export const KEPT_RUNS = 20

/** drush says at once that it cannot work, in a line or two; nobody needs more of the output to find that. */
const FAULT_BYTES = 65_536
const FAULT_LINES = 3

/** What the shell exits with that cannot execute drush, or does not find it. */
const NO_DRUSH = new Set([126, 127])

export interface ScheduledRunsOptions {
  store: ScheduledRunStore
  processes: ProcessTable
  clock: Clock
  logger: Logger
  conditions: Conditions
  surroundings: ChildSurroundings
  /** This daemon, as the owner of its runs. */
  self: ProcessIdentity
  settings: () => { drush: DrushCommand; outputLimit: number; keepBytes: number }
  /** The run of this command is settled: the daemon's loop has to look. */
  settled: (command: string) => void
  /** drush itself does not work. */
  drushFails: (reason: string) => void
}

/**
 * A scheduled run that is not settled:
 *
 * - following: its session lives.
 * - ended: nothing of it that counts lives, and the disk has yet to take that. `watched`: it ended under our eyes, so that
 *   the due times in between have been left out on purpose and were not missed.
 */
type ActiveScheduledRun =
  | { phase: 'following'; record: ScheduledRun; run: Run<ScheduledRun> }
  | { phase: 'ended'; record: ScheduledRun; watched: boolean }

/** Starts scheduled runs, follows and settles them. Which of them is due, and whether it may start, is for others. */
export class ScheduledRuns {
  readonly #options: ScheduledRunsOptions
  readonly #active = new Map<string, ActiveScheduledRun>()
  #unreadable: UnreadableRecord[] = []
  readonly #lost: LostRuns

  constructor(options: ScheduledRunsOptions) {
    this.#options = options
    this.#lost = new LostRuns((run) => options.store.isOpen(run))
  }

  /** Records that are shown and never settled: of another machine, or of a form that we cannot read. */
  get untouchable(): UnreadableRecord[] {
    return this.#unreadable
  }

  /** As `RunKeeper.hasLostRuns`. */
  get hasLostRuns(): boolean {
    return !this.#lost.isEmpty
  }

  get active(): ScheduledRun[] {
    return [...this.#active.values()].map(recordOf)
  }

  find(command: string): ScheduledRun | undefined {
    return this.active.find((record) => record.command === command)
  }

  /** Whether the disk knows of a run of the command that goes on, whoever follows it. */
  isBusy(command: string): boolean {
    const { store, processes } = this.#options
    return store.unsettledOf(command).some((record) => {
      if (isReadable(record)) return record.owner.machine === processes.machine
      return shellOf(record.run, store, processes) !== undefined
    })
  }

  /**
   * Runs a command for a due time.
   * @returns `taken` when somebody else was first.
   * @throws the error of the file system, or when no process could be made; then the due time is still open
   */
  start(command: string, dueAt: number): 'started' | 'taken' {
    const { store, clock, self, processes, settings, surroundings, logger, conditions } = this.#options
    const now = clock.now()
    const record: ScheduledRun = {
      ...PLANNED,
      run: scheduledRunName(command, dueAt),
      command,
      due_at: dueAt,
      answered_until: Math.max(dueAt, now),
      owner: self,
      child: null,
      planned_at: now,
    }
    if (!store.createIfFirst(record)) return 'taken'
    if (this.#isAnswered(record.run)) {
      // Another daemon's run of this time was begun and settled since we looked.
      store.remove(record.run)
      return 'taken'
    }
    endDiskFault(conditions)
    let shell: RunShell
    let reported: Promise<ShellReport>
    try {
      shell = new RunShell(store.runsDirectory, settings().drush, surroundings, processes)
      reported = shell.begin(record.run, [command])
    } catch (error) {
      // Without its folder a shell that should still come goes no further.
      store.remove(record.run)
      throw error
    }
    const running = { ...record, state: 'running' as const, child: shell.identity, started_at: clock.now() }
    try {
      store.write(running)
    } catch (error) {
      // The disk filled up since the first record. The shell's own note names the child to whoever comes after us.
      logger.warn({ err: error, run: record.run }, 'record not written; the run goes on')
    }
    this.#follow(running, { reported, since: shell.since, dismiss: () => shell.dismiss() })
    // It runs no other command after this one.
    void reported.then(() => shell.dismiss())
    const { run, child } = running
    logger.info({ command, run, pid: child.pid, late_ms: Math.max(0, now - dueAt) }, 'scheduled command started')
    return 'started'
  }

  #isAnswered(run: string): boolean {
    const { store } = this.#options
    if (!store.isSettled(run)) return false
    const record = store.readHistory(run)
    return !isReadable(record) || record.outcome !== 'outage'
  }

  /** Takes over every unsettled run of this machine. */
  adopt(): void {
    this.#lost.adopt(() => this.#adoptAll())
  }

  #adoptAll(): void {
    const { store, processes, self, logger } = this.#options
    this.#unreadable = []
    // Another daemon may have led in between.
    for (const run of this.#active.keys()) if (this.#isAnswered(run)) this.#forget(run)
    for (const record of store.list()) {
      if (!isReadable(record)) this.#unreadable.push(record)
      else if (record.owner.machine !== processes.machine) {
        this.#unreadable.push({ run: record.run, reason: 'it belongs to another machine' })
      } else if (record.state === 'settled') store.finishMove(record.run)
      else if (!this.#active.has(record.run) || !isSameProcess(record.owner, self)) {
        const ours = { ...record, owner: self }
        // What we follow already we go on to follow where one of these fails.
        const isThere = store.takeOver(ours)
        const adoption = isThere ? adoptionOf(record, store, processes) : undefined
        this.#forget(record.run)
        if (!adoption) continue
        // Nothing of it was ever done: its time is still to be answered.
        if (adoption.kind === 'never appeared') store.remove(record.run)
        else {
          logger.info({ command: record.command, run: record.run, state: record.state }, 'scheduled run adopted')
          if (adoption.kind === 'follow') {
            const state = record.state === 'starting' ? 'running' : record.state
            this.#follow({ ...ours, state, child: adoption.child })
          } else this.#end({ ...ours, exit: store.notes.readExit(record.run) ?? record.exit }, false)
        }
      }
    }
  }

  /** Settles what has ended and could not be settled at once: the disk may take it now. */
  settleEnded(): void {
    for (const active of this.#active.values())
      if (active.phase === 'ended') this.#settle(active.record, active.watched)
  }

  /** Lets go of every run; the children go on. Idempotent. */
  releaseAll(): void {
    for (const run of this.#active.keys()) this.#forget(run)
  }

  #forget(run: string): void {
    const active = this.#active.get(run)
    if (active?.phase === 'following') active.run.release()
    this.#active.delete(run)
  }

  #lose(run: string): void {
    this.#active.delete(run)
    this.#lost.note(run)
  }

  #follow(record: ScheduledRun & { child: ProcessIdentity }, shell?: StartedShell): void {
    const { store, processes, clock, settings, logger } = this.#options
    const { outputLimit } = settings()
    // hosting-dispatch forks Aegir's queues and leaves (`'fork' => TRUE`): waiting for the longest of them, hours of
    // backups perhaps, would keep all others from being dispatched. And no time limit: that one is meant for tasks.
    const surroundings = {
      store,
      processes,
      now: () => clock.now(),
      timeout: () => null,
      outputLimit,
      endsWithDrush: true,
    }
    const run = new Run(record, surroundings, (event) => this.#tell(run, event), shell)
    this.#active.set(record.run, { phase: 'following', record, run })
    const unfollowed = (error: unknown): void => {
      logger.error({ err: error, run: record.run }, 'run can no longer be followed; it is settled from its evidence')
      this.#end(run.record, false)
    }
    run.follow().then(() => {
      // Let go of without an end: another daemon has adopted it.
      const active = this.#active.get(record.run)
      if (active?.phase === 'following' && active.run === run) this.#lose(record.run)
    }, unfollowed)
  }

  #tell(run: Run<ScheduledRun>, event: RunEvent): void {
    const { command, run: name } = run.record
    const { logger } = this.#options
    if (event.kind === 'ended') this.#end(run.record, true)
    else if (event.kind === 'orphaned') {
      const fields = { command, run: name, pids: event.pids }
      logger.warn(fields, 'drush of a scheduled command is gone but its backend goes on; it is waited for')
    } else if (event.kind === 'out of sight') {
      logger.warn({ command, run: name, err: event.error }, 'run cannot be looked at; it is taken to go on')
    }
  }

  #end(record: ScheduledRun, watched: boolean): void {
    this.#active.set(record.run, { phase: 'ended', record, watched })
    this.#settle(record, watched)
  }

  #settle(record: ScheduledRun, watched: boolean): void {
    const { store, logger, conditions, settled, drushFails } = this.#options
    let final: ScheduledRun
    let fault: string | undefined
    try {
      fault = this.#drushFault(record)
      final = this.#finalOf(record, watched, fault)
      store.settle(final)
      endDiskFault(conditions)
    } catch (error) {
      if (error instanceof OwnershipLost) this.#lose(record.run)
      else tellDiskFault(conditions, error)
      return
    }
    this.#active.delete(record.run)
    const { command, run, child, outcome, exit, started_at, ended_at } = final
    logger.info(
      {
        command,
        run,
        pid: child?.pid,
        outcome,
        duration_ms: started_at === null || ended_at === null ? null : Math.max(0, ended_at - started_at),
        exit_code: exit?.kind === 'code' ? exit.code : null,
        signal: exit?.kind === 'signal' ? exit.signal : null,
      },
      'scheduled command ended',
    )
    try {
      this.#prune(command)
    } catch {
      // What cannot be looked at now is pruned when the next run is settled.
    }
    if (fault !== undefined) drushFails(fault)
    settled(command)
  }

  #finalOf(record: ScheduledRun, watched: boolean, fault: string | undefined): ScheduledRun {
    const outcome: ScheduledOutcome = fault !== undefined ? 'outage' : isExit(record, 0) ? 'success' : 'error'
    const answered = watched ? Math.max(record.answered_until, record.ended_at ?? 0) : record.answered_until
    return {
      ...record,
      state: 'settled',
      settled_at: this.#options.clock.now(),
      outcome,
      answered_until: fault === undefined ? answered : record.due_at - 1,
    }
  }

  /**
   * Why drush itself never got to the command; undefined: it did, as far as anybody can tell. Whoever gives the same
   * reason twice for one due time is not believed: a command that always did would be started for ever.
   */
  #drushFault({ run, exit }: ScheduledRun): string | undefined {
    const { store, settings } = this.#options
    const before = store.readHistory(run)
    if (exit?.kind !== 'code') return undefined
    if (exit.code === UNWRITTEN && !store.notes.readStarted(run)?.pid)
      return 'the shell of a run could not write its files'
    if (isReadable(before) && before.outcome === 'outage') return undefined
    if (NO_DRUSH.has(exit.code)) return `${settings().drush.command} could not be executed (exit status ${exit.code})`
    if (exit.code !== 1) return undefined
    const lines = readOutputEnd(store.outputFile(run), FAULT_BYTES).split('\n')
    return machineFaultIn(
      lines
        .filter((line) => line.trim() !== '')
        .slice(0, FAULT_LINES)
        .join('\n'),
    )
  }

  /** Keeps the last runs of a command, and of all runs no more than `[state] keep_bytes`, save the last of each. */
  #prune(command: string): void {
    const { store, settings } = this.#options
    for (const run of store.historyOf(command).slice(0, -KEPT_RUNS)) store.removeHistory(run)
    const sizeOf = (run: string): number =>
      lstatSync(store.settledOutputFile(run), { throwIfNoEntry: false })?.size ?? 0
    const runs = store.historyNames().map((run) => ({ run, size: sizeOf(run) }))
    let total = runs.reduce((sum, { size }) => sum + size, 0)
    for (const { run, size } of runs) {
      if (total <= settings().keepBytes) return
      if (store.historyOf(partsOfRunName(run)?.command ?? '').at(-1) === run) continue
      store.removeHistory(run)
      total -= size
    }
  }
}

function recordOf(active: ActiveScheduledRun): ScheduledRun {
  return active.phase === 'following' ? active.run.record : active.record
}

function isExit({ exit }: ScheduledRun, code: number): boolean {
  return exit?.kind === 'code' && exit.code === code
}
