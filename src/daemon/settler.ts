import type { DatabaseConnection } from '../hostmaster/connection.js'
import {
  CLAIMS_AT_ONCE,
  deleteClaim,
  deleteClaims,
  markTaskFailed,
  readRunTaskRows,
  type Claim,
} from '../hostmaster/run-queries.js'
import type { Conditions } from '../observe/conditions.js'
import type { Tell } from '../observe/event.js'
import type { Logger } from '../observe/logger.js'
import type { DrushHealth } from '../runner/drush-probe.js'
import type { ProcessTable } from '../runner/process-table.js'
import { machineFaultIn, readOutputEnd, refusalIn } from '../runner/run-output.js'
import type { RunOutcome, RunRecord } from '../runner/run-record.js'
import { UNWRITTEN } from '../runner/run-shell.js'
import { OwnershipLost, type RunStore } from '../runner/run-store.js'
import { recordOf, type ActiveRun } from './active-run.js'
import { MAX_ATTEMPTS, type Attempts } from './attempts.js'
import type { Clock } from './clock.js'
import { endDiskFault, isDiskFault, tellDiskFault } from './disk-fault.js'
import type { DrushOutage } from './drush-outage.js'
import { eventTask } from './event-task.js'
import { worksOn } from './foreign-runs.js'
import { claimValue, type ClaimOrigin } from './run-claim.js'
import type { RunKeeper } from './run-keeper.js'
import { describeExit, settlementOf, type Settlement } from './settlement.js'

/** drush prints its refusal last; nobody needs more of the output than this to find it. */
const REFUSAL_BYTES = 65_536

const NOT_WRITTEN = 'the shell of a run could not write its files; is the disk of the state directory full?'

export interface SettlerOptions {
  keeper: RunKeeper
  store: RunStore
  processes: ProcessTable
  attempts: Attempts
  outage: DrushOutage
  origin: ClaimOrigin
  clock: Clock
  logger: Logger
  conditions: Conditions
  probe: () => Promise<DrushHealth>
  tell: Tell
  settled: (record: RunRecord, facts: SettledFacts) => void
}

/** What goes with an outcome that is final. */
export interface SettledFacts {
  /** The task was set to error although drush left it queued. */
  givenUp?: boolean
  /** The revision that the run made, where it made one: a higher one is somebody else's. */
  vid?: number
}

/**
 * Gives every run that has ended its outcome: evidence, database, claim, record, log, in this order. Where the database
 * says itself what became of the task, nobody could start it again, so its claim is in nobody's way: it is removed later,
 * together with others (`removeClaims`). A daemon that dies in between leaves claims of settled runs, and its successor
 * removes them.
 */
export class Settler {
  readonly #options: SettlerOptions

  /** By the clock that does not jump. */
  #servedSince = Number.NEGATIVE_INFINITY
  /** Claims of settled runs. */
  #idleClaims: Claim[] = []

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** The database serves us from now on; what was started before may have found it gone. */
  servedAgain(): void {
    this.#servedSince = this.#options.clock.monotonic()
  }

  /**
   * Settles what has ended. A run that cannot be settled now is tried again with the next call; one that ends meanwhile
   * has to wait for that too.
   * @returns whether there is one that could not be settled.
   * @throws DatabaseError
   */
  async settleEnded(connection: DatabaseConnection): Promise<boolean> {
    const { keeper, conditions } = this.#options
    const before = keeper.active
    for (const active of before) {
      try {
        await this.#advance(connection, active)
      } catch (error) {
        if (error instanceof OwnershipLost) keeper.lose(active.record)
        else if (isDiskFault(error)) {
          tellDiskFault(conditions, error)
          if (active.phase === 'ended') keeper.retain(active)
        } else throw error
      }
    }
    const settled = new Set(before.filter(({ phase }) => phase === 'ended').map((active) => recordOf(active).run))
    return keeper.active.some((active) => active.phase === 'ended' && settled.has(active.record.run))
  }

  /**
   * Removes the claims of settled runs.
   * @param all also where they are few; else they wait for others, with which one statement removes them.
   * @throws DatabaseError
   */
  async removeClaims(connection: DatabaseConnection, all: boolean): Promise<void> {
    while (this.#idleClaims.length >= (all ? 1 : CLAIMS_AT_ONCE)) {
      const claims = this.#idleClaims.slice(0, CLAIMS_AT_ONCE)
      await deleteClaims(connection, claims)
      this.#idleClaims.splice(0, claims.length)
    }
  }

  async #advance(connection: DatabaseConnection, active: ActiveRun): Promise<void> {
    switch (active.phase) {
      case 'starting':
      case 'following':
      case 'judging':
        return
      case 'ended':
        return this.#settle(connection, active.record, active.appeared)
      case 'judged':
        this.#refuseTaken(active.record)
        return this.#advance(connection, this.#judge(active.record, active.drushFault))
      case 'decided': {
        const { record, outcome, giveUp } = active
        this.#refuseTaken(record)
        const task = { nid: record.nid, vid: record.vid, status: 0 as const }
        if (giveUp !== undefined) await markTaskFailed(connection, task, giveUp, this.#options.clock.now())
        return this.#conclude(connection, record, outcome, { givenUp: giveUp !== undefined })
      }
    }
  }

  /** Nothing is done to the task or the claim of a run that is another daemon's by now; the record says so itself. */
  #refuseTaken(record: RunRecord): void {
    if (this.#options.store.isTaken(record)) throw new OwnershipLost(record.run)
  }

  async #settle(connection: DatabaseConnection, record: RunRecord, appeared: boolean): Promise<void> {
    const settlement = await this.#decide(connection, record, appeared)
    const isRecordOnly = settlement.kind === 'final' && isTold(settlement.outcome)
    if (!isRecordOnly) this.#refuseTaken(record)
    switch (settlement.kind) {
      case 'final':
        return this.#conclude(connection, record, settlement.outcome, settlement)
      case 'fail': {
        const task = { nid: record.nid, vid: settlement.vid, status: -1 as const }
        const changed = await markTaskFailed(connection, task, settlement.message, this.#options.clock.now())
        // Somebody else wrote the status between our reading and writing: look again with the next turn.
        if (changed) await this.#conclude(connection, record, 'error', settlement)
        return
      }
      case 'cancelled':
        return this.#advance(connection, this.#options.keeper.decide(record, 'taken elsewhere', settlement.message))
      case 'not started':
        return this.#notStarted(connection, record)
    }
  }

  /** drush left the task as it was: asks whether that can be the task's fault at all, and then drush. */
  async #notStarted(connection: DatabaseConnection, record: RunRecord): Promise<void> {
    const { keeper, store, outage, probe, clock } = this.#options
    // An outage of the database lies between start and end of the run, as far as we can tell: it is told already. Ages
    // are compared, not times: a clock that was set back since would make an outage of every start that fails.
    const age = clock.now() - (record.started_at ?? record.planned_at)
    if (age > clock.monotonic() - this.#servedSince) {
      return this.#advance(connection, keeper.decide(record, 'outage'))
    }
    // The run's shell notes its pid before it runs drush, and leaves where it cannot: a full disk, as a rule, which
    // would be as full at once again. Without that status the mark was a daemon's fence, and nothing is amiss.
    if (!store.notes.readStarted(record.run)?.pid) {
      const isUnnoted = record.exit?.kind === 'code' && record.exit.code === UNWRITTEN
      return this.#advance(connection, isUnnoted ? this.#judge(record, NOT_WRITTEN) : keeper.decide(record, 'outage'))
    }
    // Load and database may be well again when drush is asked. A task that gives this reason twice in a row is not
    // believed: one that always did would stop the queue for good.
    const output = outage.lastFailure === record.nid ? '' : readOutputEnd(store.outputFile(record.run), REFUSAL_BYTES)
    const fault = machineFaultIn(output)
    if (fault !== undefined) return this.#advance(connection, this.#judge(record, fault))
    keeper.judge(
      record,
      probe().then((health) => (health.works ? undefined : health.reason)),
    )
  }

  async #decide(connection: DatabaseConnection, record: RunRecord, appeared: boolean): Promise<Settlement> {
    const { store, processes } = this.#options
    // A mark without a pid was made by a daemon, as a fence, and its time says nothing of the child.
    const started = store.notes.readStarted(record.run)
    const startedAt = started && started.pid > 0 ? started.at : (record.started_at ?? record.planned_at)
    const rows = await readRunTaskRows(connection, { nid: record.nid, vid: record.vid, startedAt })
    const refusal =
      record.exit?.kind === 'code' && record.exit.code === 1
        ? refusalIn(lastLines(readOutputEnd(store.outputFile(record.run), REFUSAL_BYTES)))
        : undefined
    const settlement = settlementOf({ record, appeared, rows, refusal })
    if (settlement.kind !== 'fail') return settlement
    // The row may be that of an operator's drush which took the task in the same second, while ours died unheard.
    const worker = processes.list().find(({ pid }) => worksOn(processes.args(pid), record) && processes.isOurs(pid))
    return worker ? { kind: 'final', outcome: 'taken elsewhere' } : settlement
  }

  /** drush never got to the task; `drushFault` says what is wrong with drush itself, undefined that nothing is. */
  #judge(record: RunRecord, drushFault: string | undefined): ActiveRun {
    const { attempts, outage, logger, clock, keeper, tell } = this.#options
    const verdict = outage.failed(record.nid, drushFault)
    const fields = { nid: record.nid, vid: record.vid, run: record.run }
    if (verdict.kind === 'outage') {
      if (verdict.new) {
        const reason = outage.state.kind === 'out' ? outage.state.reason : ''
        logger.warn({ reason }, 'drush does not work; nothing is started until it does, and no task is blamed')
      }
      return keeper.decide(record, 'outage')
    }
    const reason = `drush ${describeExit(record.exit)} without having begun the task`
    const parked = attempts.count(record, reason, clock.now())
    if (parked) {
      const until = new Date(parked.until).toISOString()
      logger.warn({ ...fields, attempt: parked.attempts, until, reason }, 'task is parked')
      tell({ kind: 'task parked', task: eventTask(record), attempt: parked.attempts, until: parked.until, reason })
      return keeper.decide(record, 'not started')
    }
    const message = `Skynet: drush was started ${MAX_ATTEMPTS} times for this task and never began it; the last time it ${describeExit(record.exit)} (run ${record.run}). Drush itself works. Mend the cause and retry the task.`
    logger.warn({ ...fields, attempt: MAX_ATTEMPTS, reason }, 'task is given up; it shows as failed in Aegir')
    return keeper.decide(record, 'not started', message)
  }

  async #conclude(
    connection: DatabaseConnection,
    record: RunRecord,
    outcome: RunOutcome,
    facts: SettledFacts,
  ): Promise<void> {
    const { keeper, outage, attempts, logger, settled, conditions, tell } = this.#options
    const claim = { vid: record.vid, value: claimValue(this.#options.origin, record.run) }
    if (!isTold(outcome)) await deleteClaim(connection, claim)
    const final = keeper.settle(record, outcome)
    if (isTold(outcome)) this.#idleClaims.push(claim)
    endDiskFault(conditions)
    if (outcome !== 'not started' && outcome !== 'outage') attempts.forget(record.nid)
    if (isTold(outcome) && outage.gotThrough()) logger.info('drush works again')
    const { started_at, ended_at, exit } = final
    const duration = started_at === null || ended_at === null ? null : Math.max(0, ended_at - started_at)
    const exitCode = exit?.kind === 'code' ? exit.code : null
    const signal = exit?.kind === 'signal' ? exit.signal : null
    logger[outcome === 'withdrawn' ? 'debug' : 'info'](
      {
        nid: final.nid,
        vid: final.vid,
        rid: final.rid,
        type: final.type,
        object: final.object,
        run: final.run,
        pid: final.child?.pid,
        outcome,
        duration_ms: duration,
        exit_code: exitCode,
        signal,
      },
      'task ended',
    )
    const { givenUp = false } = facts
    tell({ kind: 'task settled', task: eventTask(final), outcome, givenUp, duration, exitCode, signal })
    settled(final, facts)
  }
}

/** Whether the task's row says the outcome to everybody. */
function isTold(outcome: RunOutcome): boolean {
  return outcome === 'success' || outcome === 'warning' || outcome === 'error'
}

/** A refusing drush says nothing after its refusal; a task that merely ran a refused one inside itself goes on. */
function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-2).join('\n')
}
