import type { DatabaseConnection } from '../hostmaster/connection.js'
import type { LeaderLock } from '../hostmaster/leader-lock.js'
import type { WatchedQueue } from '../hostmaster/queue-change.js'
import type { QueuePoll } from '../hostmaster/queue-poll.js'
import { deleteClaim, readClaims } from '../hostmaster/run-queries.js'
import { isPhpTrue } from '../hostmaster/php-value.js'
import { startNow } from '../scheduler/plan.js'
import { earlierRuns } from './attempts.js'
import { recordOf, takesSlot } from './active-run.js'
import { carryOutCancellations } from './cancellation.js'
import type { DaemonParts } from './daemon-parts.js'
import { tellDiskFault } from './disk-fault.js'
import { firstStartReason } from './first-start.js'
import { ForeignLook } from './foreign-look.js'
import { LeadershipLost } from './leadership-lost.js'
import type { LockRowState } from './lock-row-keeper.js'
import { WHOLE_QUEUE, isWholeQueue } from './pause.js'
import { planInput, runningTasks } from './plan-input.js'
import { ownRun } from './run-claim.js'
import { RunStarter } from './run-starter.js'

/** A leader whose last successful write is older than this starts nothing and contends again, in milliseconds. */
const WRITE_AGE = 60_000

/** How often the leader's connection is used, so that the server's wait_timeout (30 s) does not end it. */
const PING_INTERVAL = 10_000

/** A ping that would be due so soon is made with the turn that there is, in milliseconds. */
const PING_AHEAD = 1_000

/** A lock row that no poll has renewed for this long is renewed without one, in milliseconds: polls may be rare. */
const RENEW_INTERVAL = 45_000

/**
 * What a daemon does while it leads, turn after turn: poll when it is due, keep the lock row, settle what has ended,
 * start what may start; and before it settles, start what needs not wait for that (`takesSlot`). It learns of the loss
 * of its leadership from the poll, and at the latest from a claim that is not granted.
 */
export class QueueLeader {
  readonly #parts: DaemonParts
  readonly #connection: DatabaseConnection
  readonly #lock: LeaderLock
  #poll: QueuePoll | undefined
  #polledAt = Number.NEGATIVE_INFINITY
  #pingedAt: number
  readonly #foreignLook: ForeignLook
  readonly #starter: RunStarter
  #urgentInARow = 0
  /** Whether the attempts of earlier daemons are known. */
  #hasRecalled = false

  constructor(parts: DaemonParts, connection: DatabaseConnection, lock: LeaderLock) {
    this.#parts = parts
    this.#connection = connection
    this.#lock = lock
    this.#pingedAt = parts.clock.monotonic()
    this.#foreignLook = new ForeignLook(parts, connection)
    this.#starter = new RunStarter(parts, connection, lock, () => this.pollNow())
  }

  /** Makes the next turn poll, whatever the interval. */
  pollNow(): void {
    this.#polledAt = Number.NEGATIVE_INFINITY
  }

  /** A run is about to end, and another task to start in its place. */
  expectEnd(): void {
    const { reader, topology, clock } = this.#parts
    if (reader.mirror.waiting.size > 0) void topology.ask(this.#connection, clock.now())
  }

  /** Takes over what earlier daemons of this state directory left. @throws DatabaseError */
  async takeOver(): Promise<void> {
    const { keeper, logger, reader, topology, durations, failures, settler, store } = this.#parts
    reader.reconnected()
    settler.servedAgain()
    topology.forget()
    durations.reconnected()
    // We may have been frozen since the lock was granted; whoever has it by now may be at work on what we would adopt.
    await this.#lock.ping()
    for (const { nid, vid, run, object, type, state } of keeper.adopt()) {
      logger.info({ nid, vid, run, object, type, state }, 'run adopted')
    }
    this.#parts.schedule.takeOver()
    failures.recallAnew()
    for (const claim of await readClaims(this.#connection)) {
      const run = ownRun(this.#parts.origin, claim.value)
      if (run === undefined || keeper.find((record) => record.run === run)) continue
      const recovered = keeper.recover(run)
      if (recovered) logger.warn({ nid: recovered.nid, run }, 'record of a run was lost; rebuilt from its claim')
      // Settled long ago: the claim came back with a restored database.
      else if (!store.isOpen(run)) await deleteClaim(this.#connection, claim)
    }
    for (const { run, reason } of keeper.untouchable.unreadable) {
      logger.warn({ run, reason }, 'record of a run cannot be used; it is left alone')
    }
    keeper.settling = true
    // While the queue is read for the first time, a shell gets ready.
    if (!this.#parts.draining()) keeper.prepare()
  }

  /** One turn. @returns milliseconds until the next one is due. @throws DatabaseError, LeadershipLost */
  async turn(): Promise<number> {
    const { clock, settings, settler, keeper, outage, pauses, schedule, scheduledRuns } = this.#parts
    const interval = settings().queue.poll_interval
    scheduledRuns.settleEnded()
    this.#requireOwnRuns()
    pauses.tellEnds()
    const isPingDue = this.#untilPing() <= PING_AHEAD
    if (isPingDue) await this.#stayLeader()
    // What is due is started behind a poll only, which tells whether we still lead.
    const isDue = !this.#parts.draining() && schedule.isDue()
    const isPollDue = isDue || clock.monotonic() - this.#polledAt >= interval - 1
    if (isPollDue) await this.#doPoll()
    if (isDue && outage.state.kind === 'working' && (await this.#mayStart())) schedule.start()
    await carryOutCancellations(this.#parts, this.#connection)
    const isBlocked = await this.#settle()
    this.#requireOwnRuns()
    if (isBlocked) return Math.min(interval, 250)
    const start = await this.#start().finally(() => this.#starter.announce())
    await settler.removeClaims(this.#connection, isPollDue || isPingDue || keeper.active.length === 0)
    if (start === 'plan anew') return 0
    if (!this.#parts.draining()) keeper.prepare()
    return Math.max(0, Math.min(this.#polledAt + interval - clock.monotonic(), this.untilDue()))
  }

  /** Whoever has taken a run of ours leads, or was frozen as it wrote: to contend anew, and to adopt, is right after both. */
  #requireOwnRuns(): void {
    const { keeper, scheduledRuns } = this.#parts
    if (keeper.hasLostRuns || scheduledRuns.hasLostRuns)
      throw new LeadershipLost('another daemon has taken over a run of this one')
  }

  /** Milliseconds until something other than a poll is due. */
  untilDue(): number {
    return Math.min(this.#untilPing(), this.#parts.schedule.wait())
  }

  #untilPing(): number {
    return this.#pingedAt + PING_INTERVAL - this.#parts.clock.monotonic()
  }

  /**
   * Whether only a change in the database, a wake-up or the end of a run can give us something to do, so that nobody
   * misses a turn until then.
   */
  get isAtRest(): boolean {
    const { reader, keeper, foreign, lockRow, outage, draining, slots } = this.#parts
    const { waiting, processing } = reader.mirror
    if (draining() || !reader.isAtRest || lockRow.state.kind !== 'ours' || outage.state.kind !== 'working') return false
    const { active } = keeper
    if (active.some(({ phase }) => phase !== 'following')) return false
    // A task that could start may have to wait for a time (parked, settling, paused until then).
    if (waiting.size > 0 && active.length < slots()) return false
    // Somebody else's processes are looked for; stuck rows are only read anew now and then (`ForeignLook`).
    if (foreign.all.some(({ is }) => is.kind !== 'stuck')) return false
    const known = new Set([...active.map((each) => recordOf(each).nid), ...foreign.all.map(({ task }) => task.nid)])
    return [...processing.keys()].every((nid) => known.has(nid))
  }

  /** What the next poll will look at. */
  watched(): WatchedQueue {
    const { reader, clock, settings } = this.#parts
    const window = reader.window(clock.monotonic(), settings().queue.poll_interval)
    return { window, leaderLock: this.#lock.name }
  }

  /**
   * Settles what has ended. What needs not wait for that is started before, and told of after it.
   * @returns whether there is a run that could not be settled.
   */
  async #settle(): Promise<boolean> {
    const { keeper, settler, outage } = this.#parts
    const hasRoom = outage.state.kind === 'working' && keeper.active.some((active) => !takesSlot(active))
    // Whatever keeps the next one from starting must not keep this one from being settled.
    const start = hasRoom ? await Promise.allSettled([this.#start()]) : []
    try {
      const isBlocked = await settler.settleEnded(this.#connection)
      for (const result of start) if (result.status === 'rejected') throw result.reason
      return isBlocked
    } finally {
      this.#starter.announce()
    }
  }

  /** Leaves no claims of what is settled, and gives Drupal's lock row back, unless runs go on: then it expires by itself. */
  async leave(): Promise<void> {
    const { keeper, lockRow, settler } = this.#parts
    await settler.removeClaims(this.#connection, true).catch(() => undefined)
    if (keeper.active.length > 0) return
    await lockRow.release(this.#connection).catch(() => undefined)
  }

  /** Keeps what a leader holds in the database from ending for want of use, whatever the poll interval. */
  async #stayLeader(): Promise<void> {
    const { clock, lockRow } = this.#parts
    this.#pingedAt = clock.monotonic()
    await this.#lock.ping()
    if (lockRow.state.kind === 'ours' && lockRow.sinceWritten > RENEW_INTERVAL) await this.#renewLockRow()
  }

  #renewLockRow(): Promise<LockRowState> {
    const { lockRow } = this.#parts
    return lockRow.keep(this.#connection, { value: lockRow.value, expire: 0 })
  }

  async #doPoll(): Promise<void> {
    const { clock, reader, lockRow, pauses, module, keeper, settings, topology } = this.#parts
    // Who was woken looks for what is new; for what came late, only if no other poll has done so for long.
    const isWoken = this.#polledAt === Number.NEGATIVE_INFINITY
    const lookBackInterval = isWoken ? 2 * settings().queue.poll_interval : 0
    this.#polledAt = clock.monotonic()
    const asked = clock.monotonic()
    const poll = await reader.poll(this.#connection, this.#lock.name, asked, lookBackInterval)
    if (poll.leader !== this.#lock.connectionId) throw new LeadershipLost('another connection holds the leader lock')
    this.#poll = poll
    if (!this.#hasRecalled) this.#recallAttempts()
    topology.askAnew()
    this.#parts.polled(poll)
    this.#parts.tell({ kind: 'polled', duration: clock.monotonic() - asked })
    if (module.disabled && keeper.active.length === 0) {
      // Aegir's administrators have taken the queue from us: whoever has it now must not find it locked.
      if (poll.lockRow?.value === lockRow.value) await lockRow.release(this.#connection)
      else lockRow.doubt()
    } else await lockRow.keep(this.#connection, poll.lockRow)
    this.#tellLockRow()
    this.#meetHostmaster()
    pauses.tell()
    await this.#foreignLook.look()
  }

  /** Those that earlier leads have settled; and those that this daemon has counted, and could not settle before it lost its lead. */
  #recallAttempts(): void {
    const { attempts, store, reader, keeper, clock } = this.#parts
    const now = clock.now()
    const counted = keeper.active.flatMap((active) =>
      active.phase === 'decided' && active.outcome === 'not started'
        ? [{ ...active.record, outcome: active.outcome, settled_at: now }]
        : [],
    )
    attempts.recall([...earlierRuns(store, reader.mirror.waiting, now), ...counted])
    this.#hasRecalled = true
  }

  /** At the very first start on a hostmaster, old waiting tasks are not simply run. */
  #meetHostmaster(): void {
    const { known, settings, reader, clock, ownPauses, logger, conditions } = this.#parts
    const database = settings().database.db
    if (known.has(database)) return
    const { waiting } = reader.mirror
    const reason = firstStartReason(waiting.values(), clock.now())
    try {
      if (reason !== undefined && !ownPauses.list(clock.now()).some(isWholeQueue)) {
        ownPauses.set({ ...WHOLE_QUEUE, by: 'skynet', since: clock.now(), until: null, reason })
      }
      known.add(database)
      logger.info({ database, waiting: waiting.size }, 'first start on this hostmaster')
    } catch (error) {
      tellDiskFault(conditions, error)
    }
  }

  #tellLockRow(): void {
    const { lockRow, conditions } = this.#parts
    const { state } = lockRow
    if (state.kind === 'foreign') {
      const fields = { holder: state.holder, until: new Date(state.until).toISOString() }
      conditions.begin('lock row', 'warn', "another runner holds Aegir's queue lock; waiting for it", fields)
    } else conditions.end('lock row', "Aegir's queue lock is free again")
  }

  #markBulk(): void {
    const { bulkMarks, reader, topology } = this.#parts
    if (topology.current) bulkMarks.mark(reader.mirror, runningTasks(this.#parts), topology.current.topology)
  }

  /** Whether anything may be started at this moment. */
  async #mayStart(): Promise<boolean> {
    const { lockRow } = this.#parts
    if (this.#parts.halt() !== undefined || lockRow.state.kind !== 'ours') return false
    if (lockRow.sinceWritten <= WRITE_AGE) return true
    // Nothing was written for a minute: frozen, or the disk below the database is. Prove that we can before a start.
    return (await this.#renewLockRow()).kind === 'ours'
  }

  /** @returns `plan anew` when a task turned out not to be ours to start: its slot is still free. */
  async #start(): Promise<'done' | 'plan anew'> {
    const { reader, keeper, attempts, topology, clock } = this.#parts
    if (this.#parts.draining() || !this.#poll || !reader.complete) return 'done'
    // Also when nothing waits any more: a parked task that was deleted or cancelled is to leave the status.
    attempts.keepOnly(reader.mirror.waiting, clock.now())
    if (reader.mirror.waiting.size === 0) return 'done'
    if (!(await this.#mayStart())) return 'done'
    if (keeper.active.filter(takesSlot).length >= this.#parts.slots()) {
      this.#markBulk()
      return 'done'
    }
    const extraTypes = this.#parts.extraTypes()
    const known = await topology.refresh(this.#connection, this.#hostmasterNid(), extraTypes, clock.now())
    this.#markBulk()
    const input = { ...planInput(this.#parts, known), urgentInARow: this.#urgentInARow }
    let result: 'done' | 'plan anew' = 'done'
    for (const planned of startNow(input)) {
      // What was lost since the turn began holds its object all the same.
      this.#requireOwnRuns()
      const start = await this.#starter.start(planned)
      if (start === 'stop') return 'done'
      if (start === 'not ours') result = 'plan anew'
      else this.#urgentInARow = planned.urgent ? this.#urgentInARow + 1 : 0
    }
    return result
  }

  #hostmasterNid(): number | null {
    const value = this.#poll?.variables.aegir_hostmaster_site_nid
    const nid = typeof value === 'boolean' || value === null ? Number.NaN : Number(value)
    return Number.isInteger(nid) && nid > 0 && isPhpTrue(value) ? nid : null
  }
}
