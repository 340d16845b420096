import { hostname } from 'node:os'
import type { TaskRow } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { describeReason, plan, type Halt, type PlanInput, type Reason } from '../scheduler/plan.js'
import { Footprints } from '../scheduler/footprints.js'
import { emptyTopology, namesIn } from '../scheduler/topology.js'
import { recordOf } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import type { Pause } from './pauses.js'
import { planInput, waitingTasks } from './plan-input.js'
import { healthOf } from './status-health.js'
import type { Role, RunningStatus, Status, WaitingGroup, WaitingStatus } from './status.js'

/** How many of the waiting tasks are listed, and of those that wait for one reason; the rest is a number. */
const LISTED = 20
const LISTED_BY_REASON = 3

export interface DaemonFacts {
  version: string
  role: Role
  startedAt: number
  connectedSince: number | null
  standbys: { pid: number; since: number }[]
  pauses: Pause[]
  lastError: { at: number; message: string } | null
}

/** Why each waiting task does not start now; one that is missing here starts next. */
export function reasonsOf(parts: DaemonParts): ReadonlyMap<number, Reason> {
  const nothing = emptyTopology()
  const known = parts.topology.current ?? { topology: nothing, footprints: new Footprints(nothing) }
  const input = planInput(parts, known)
  return new Map([...unplanned(parts, input), ...plan(input).waiting])
}

/** While drush does not work, only the tasks that it may be tried with next are planned: why the others wait. */
function unplanned({ reader, attempts, outage }: DaemonParts, { waiting }: PlanInput): Map<number, Reason> {
  const { state } = outage
  if (state.kind === 'working') return new Map()
  const planned = new Set(waiting.map(({ nid }) => nid))
  const others = [...reader.mirror.waiting.keys()].filter((nid) => !planned.has(nid))
  return new Map(
    others.map((nid) => {
      const parked = attempts.parked(nid)
      const held = { kind: 'outage', what: state.reason, since: state.since } as const
      return [nid, parked ? { kind: 'parked', until: parked.until } : held]
    }),
  )
}

/** Says a reason to people: with the names of servers and platforms. */
export function sayReason({ topology }: DaemonParts): (reason: Reason) => string {
  const nameOf = topology.current && namesIn(topology.current.topology)
  return (reason) => printable(describeReason(reason, nameOf))
}

export function statusOf(parts: DaemonParts, facts: DaemonFacts): Status {
  const status = stateOf(parts, facts)
  return { ...status, health: healthOf(status) }
}

function stateOf(parts: DaemonParts, facts: DaemonFacts): Omit<Status, 'health'> {
  const { clock, settings, reader, foreign, attempts, conditions, keeper, outage, durations, failures, slots } = parts
  const now = clock.now()
  const lost = conditions.get('database')
  const waiting = waitingTasks(parts).sort((a, b) => a.changed - b.changed || a.nid - b.nid)
  const reasons = reasonsOf(parts)
  const say = sayReason(parts)
  const waitingStatus = (task: TaskRow): WaitingStatus => {
    const reason = reasons.get(task.nid)
    return {
      nid: task.nid,
      type: printable(task.type),
      object: printable(task.object),
      since: task.changed * 1000,
      reason: reason ? say(reason) : 'It starts next.',
    }
  }
  const hindrances = conditions.list().filter(({ name }) => name !== 'paused' && name !== 'database')
  if (outage.state.kind === 'out') {
    hindrances.push({ name: 'drush', message: outage.state.reason, since: outage.state.since, fields: {} })
  }
  const { foreign: otherMachine, unreadable } = keeper.untouchable
  const errorOf = (fields: Record<string, unknown>) => (fields['err'] instanceof Error ? fields['err'].message : null)
  return {
    version: facts.version,
    pid: process.pid,
    host: hostname(),
    started_at: facts.startedAt,
    uptime_ms: now - facts.startedAt,
    role: facts.role === 'leader' && parts.module.disabled ? 'disabled' : facts.role,
    standbys: facts.standbys,
    database: {
      name: settings().database.db,
      state: facts.connectedSince !== null ? 'connected' : lost ? 'lost' : 'connecting',
      since: facts.connectedSince ?? lost?.since ?? facts.startedAt,
      error: lost ? errorOf(lost.fields) : null,
    },
    paused: facts.pauses,
    paused_tasks: parts.pauses.ofTasks(),
    hindrances: hindrances.map(({ name, message, since, fields }) => ({
      name,
      message: [message, fields['holder'], errorOf(fields)].filter((part) => typeof part === 'string').join(': '),
      since,
    })),
    slots: slots(),
    running: keeper.active.map((active): RunningStatus => {
      const record = recordOf(active)
      const { nid, vid, type, object, run, state, started_at, planned_at, cancellation } = record
      const since = started_at ?? planned_at
      return {
        nid,
        vid,
        type,
        object,
        run,
        state: state === 'settled' ? 'ended' : state,
        pid: keeper.processOf(record),
        since,
        age_ms: now - since,
        usual: durations.usualDurations().get(type) ?? null,
        cancelled_by: cancellation?.by ?? null,
      }
    }),
    foreign: foreign.all.flatMap(({ task, is }) =>
      is.kind === 'foreign'
        ? [{ nid: task.nid, type: printable(task.type), object: printable(task.object), pid: is.pid }]
        : [],
    ),
    stuck: foreign.all.flatMap(({ task, is }) =>
      is.kind === 'stuck' ? [{ nid: task.nid, type: printable(task.type), object: printable(task.object) }] : [],
    ),
    parked: attempts.list().map(({ nid, attempts: count, until, reason }) => {
      const { type = '', object = '' } = reader.mirror.waiting.get(nid) ?? {}
      return { nid, type: printable(type), object: printable(object), attempts: count, until, reason }
    }),
    waiting: {
      count: waiting.length,
      oldest_since: waiting[0] ? waiting[0].changed * 1000 : null,
      by_reason: byReason(waiting, reasons, waitingStatus),
      next: waiting.slice(0, LISTED).map(waitingStatus),
    },
    schedule: parts.schedule.view(scheduleHeld(parts, facts.role)),
    failures: failures.list(),
    untouchable_records: [
      ...otherMachine.map(({ run }) => ({ run, reason: 'it belongs to another machine' })),
      ...unreadable,
      ...parts.scheduledRuns.untouchable.map(({ run, reason }) => ({ run: `schedule/${run}`, reason })),
    ],
    last_error: facts.lastError,
  }
}

function scheduleHeld(parts: DaemonParts, role: Role): string | null {
  const halt = scheduleHalt(parts, role)
  return halt ? printable(describeReason(halt)) : null
}

function scheduleHalt({ lockRow, outage, draining, halt }: DaemonParts, role: Role): Halt | undefined {
  if (draining()) return { kind: 'stopping' }
  if (role !== 'leader') return { kind: 'not-leading' }
  const { state } = lockRow
  if (state.kind === 'foreign') return { kind: 'foreign-lock', holder: state.holder, until: state.until }
  if (outage.state.kind === 'out') return { kind: 'outage', what: outage.state.reason, since: outage.state.since }
  return halt()
}

function byReason(
  waiting: readonly TaskRow[],
  reasons: ReadonlyMap<number, Reason>,
  waitingStatus: (task: TaskRow) => WaitingStatus,
): WaitingGroup[] {
  const groups = new Map<WaitingGroup['reason'], WaitingGroup>()
  for (const task of waiting) {
    const reason = reasons.get(task.nid)?.kind ?? 'next'
    const group = groups.get(reason) ?? { reason, count: 0, oldest_since: task.changed * 1000, tasks: [] }
    groups.set(reason, group)
    group.count += 1
    if (group.tasks.length < LISTED_BY_REASON) group.tasks.push(waitingStatus(task))
  }
  return [...groups.values()]
}
