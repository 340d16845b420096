import { Footprints } from './footprints.js'
import { lineUp } from './line.js'
import type { Entry, Occupant, Refusal } from './line.js'
import { LockTable } from './lock-table.js'
import { byPlace } from './parents-first.js'
import type { PlanInput } from './plan-input.js'
import type { PlannedTask } from './plan.js'
import { changed } from './queue-order.js'
import type { Reason, TaskName } from './reason.js'
import { RunCounts } from './run-counts.js'

/** For so long (ms since it was queued) an interactive task may pass the claim of a broad verify. */
export const OVERTAKING = 15 * 60 * 1000

/** So many urgent tasks go before bulk one after the other; then the line decides once. */
export const IN_A_ROW = 10

export function freeSlots({ limits, running }: PlanInput): number {
  const slots = Number.isNaN(limits.concurrentTasks) ? 1 : Math.floor(limits.concurrentTasks)
  const taken = running.filter(({ kind }) => kind === 'own' || kind === 'orphaned').length
  return Math.max(0, slots - taken)
}

/** One decision of the scheduler: what to start, and on demand why not. The rules are at `plan`. */
export class Round {
  private readonly input: PlanInput
  private readonly footprints: Footprints
  private readonly line: readonly Entry[]
  private readonly locks: LockTable<Occupant>
  private readonly counts: RunCounts
  /** By object, its last task in the line so far. */
  private readonly tails = new Map<number, Occupant>()
  private free: number
  private inARow: number

  constructor(input: PlanInput) {
    this.input = input
    this.footprints = input.footprints ?? new Footprints(input.topology, input.extraTypes)
    this.free = freeSlots(input)
    this.inARow = input.urgentInARow ?? 0
    this.counts = new RunCounts(input.limits)
    const runs = this.runs()
    this.line = lineUp(input, this.footprints)
    // Only now all resources have their numbers.
    this.locks = new LockTable(this.footprints.resources.count)
    for (const run of runs) {
      this.locks.hold(run.footprint.locks, run)
      this.tails.set(run.task.rid, run)
    }
  }

  /** What starts now, in order. With `explain` the whole line is looked at, else only as far as there are slots. */
  start(explain: boolean): PlannedTask[] {
    const started: PlannedTask[] = []
    for (const entry of this.mostUrgentFirst()) {
      entry.refusal = this.tryToStart(entry)
      if (entry.refusal === undefined) {
        const { task, urgent } = entry
        started.push({ task, urgent, footprint: this.footprints.plain(entry.footprint) })
      }
      if (this.free === 0 && !explain) break
    }
    return started
  }

  /** By nid, why each of the others does not start. */
  reasons(): Map<number, Reason> {
    const reasons = new Map<number, Reason>()
    for (const { task, refusal } of this.line) {
      if (refusal !== undefined) reasons.set(task.nid, this.reason(refusal))
    }
    return reasons
  }

  private runs(): Occupant[] {
    const runs: Occupant[] = []
    // In the order of nids, so that of several holders a person is always told the same.
    for (const task of [...this.input.running].sort((a, b) => a.nid - b.nid)) {
      if (task.kind === 'stuck') continue
      const { footprint: given } = task
      const footprint = given === undefined ? this.footprints.of(task) : this.footprints.coded(given)
      runs.push({ task, footprint, active: true, heldUp: false })
      // A nested run is part of one that is counted already, and one that has ended burdens no server.
      if (task.kind !== 'nested' && task.kind !== 'ended') this.counts.add(footprint)
    }
    return runs
  }

  /** Those that may start: an urgent one as soon as the next of the others is bulk, else in the order of the line. */
  private *mostUrgentFirst(): Generator<Entry> {
    if (!this.line.some(({ urgent }) => urgent)) {
      yield* this.mayStart()
      return
    }
    const all = [...this.mayStart()]
    const goesBefore = (urgent: Entry, other: Entry) =>
      (other.urgency === 'bulk' && this.inARow < IN_A_ROW) || byPlace(urgent, other) < 0
    const urgents = all.filter(({ urgent }) => urgent)
    const others = all.filter(({ urgent }) => !urgent)
    for (let [u, o] = [0, 0]; u < urgents.length || o < others.length;) {
      const [urgent, other] = [urgents[u], others[o]]
      if (urgent !== undefined && (other === undefined || goesBefore(urgent, other))) {
        u++
        yield urgent
      } else if (other !== undefined) {
        o++
        yield other
      }
    }
  }

  /** In the order of the line, those that conflict with no run and with nobody ahead. */
  private *mayStart(): Generator<Entry> {
    for (const entry of this.line) {
      entry.refusal = this.takePlace(entry)
      if (entry.refusal === undefined) yield entry
    }
  }

  private takePlace(entry: Entry): Refusal | undefined {
    const { task } = entry
    const ahead = this.tails.get(task.rid)
    const refusal = this.refuse(entry, ahead)
    this.tails.set(task.rid, entry)
    if (ahead?.heldUp === true) entry.heldUp = true
    if (!entry.heldUp) this.locks.claim(entry.footprint.locks, entry, this.isPassable(entry))
    return refusal
  }

  private refuse(entry: Entry, ahead: Occupant | undefined): Refusal | undefined {
    const { task, putOff, footprint, urgency } = entry
    if (putOff && task.claimed === true) return { reason: { kind: 'claimed-elsewhere', vid: task.vid } }
    if (task.paused !== undefined) return { reason: { kind: 'task-paused', pause: task.paused } }
    if (putOff) return { reason: { kind: 'parked', until: task.parkedUntil ?? this.input.now } }
    if (ahead !== undefined) return { sameObject: ahead }
    const { limits, now } = this.input
    const settle = limits.settle ?? 0
    // The absolute value: a clock that is far ahead must not keep its tasks waiting until it has come true.
    if (Math.abs(now - changed(task) * 1000) < settle) {
      return { reason: { kind: 'settling', until: changed(task) * 1000 + settle } }
    }
    return (
      this.locks.heldAgainst(footprint.locks) ?? this.locks.claimedAgainst(footprint.locks, urgency === 'interactive')
    )
  }

  private isPassable({ task, footprint }: Entry): boolean {
    return footprint.broadVerify && this.input.now - changed(task) * 1000 < OVERTAKING
  }

  private tryToStart(entry: Entry): Refusal | undefined {
    const { footprint, urgent } = entry
    // Who passed a claim and started may now be in the way of the one who had claimed, or the other way round.
    const held = this.locks.heldAgainst(footprint.locks)
    if (held !== undefined) return held
    const full = this.counts.full(footprint)
    if (full !== undefined) return { reason: full }
    if (this.free === 0) return { reason: { kind: 'no-free-slot', slots: this.input.limits.concurrentTasks } }
    this.free--
    this.inARow = urgent ? this.inARow + 1 : 0
    this.locks.hold(footprint.locks, entry)
    this.counts.add(footprint)
    entry.active = true
    return undefined
  }

  private reason(refusal: Refusal): Reason {
    if ('reason' in refusal) return refusal.reason
    if ('sameObject' in refusal) {
      const { task, active } = refusal.sameObject
      return { kind: 'behind-same-object', task: nameOf(task), running: active }
    }
    const resource = this.footprints.resources.name(refusal.resource)
    const { task, active } = refusal.by
    return active
      ? { kind: 'waits-for-lock', resource, holder: nameOf(task) }
      : { kind: 'must-not-overtake', resource, task: nameOf(task) }
  }
}

function nameOf({ nid, type, object }: Occupant['task']): TaskName {
  return { nid, type, object: object ?? '' }
}
