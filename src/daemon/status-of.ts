import { hostname } from 'node:os'
import { printable } from '../observe/printable.js'
import { describeReason, plan, type Halt, type Reason } from '../scheduler/plan.js'
import { Footprints } from '../scheduler/footprints.js'
import { emptyTopology, namesIn } from '../scheduler/topology.js'
import { recordOf } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import type { Pause } from './pauses.js'
import { planInput } from './plan-input.js'
import type { Role, RunningStatus, Status } from './status.js'

/** How many of the waiting tasks are listed; the rest is a number. */
const LISTED = 20

export interface DaemonFacts {
  version: string
  role: Role
  startedAt: number
  connectedSince: number | null
  standbys: { pid: number; since: number }[]
  pauses: Pause[]
  lastError: { at: number; message: string } | null
}

/** Why each waiting task does not start now, and in a sentence for people; one that is missing here starts next. */
export function reasonsOf(parts: DaemonParts): {
  reasons: ReadonlyMap<number, Reason>
  say: (reason: Reason) => string
} {
  const nothing = emptyTopology()
  const known = parts.topology.current ?? { topology: nothing, footprints: new Footprints(nothing) }
  const nameOf = namesIn(known.topology)
  return { reasons: plan(planInput(parts, known)).waiting, say: (reason) => printable(describeReason(reason, nameOf)) }
}

export function statusOf(parts: DaemonParts, facts: DaemonFacts): Status {
  const { clock, settings, reader, foreign, attempts, conditions, keeper, outage, slots } = parts
  const now = clock.now()
  const lost = conditions.get('database')
  const waiting = [...reader.mirror.waiting.values()]
    .filter((task) => !keeper.find((record) => record.nid === task.nid))
    .sort((a, b) => a.changed - b.changed || a.nid - b.nid)
  const { reasons, say } = reasonsOf(parts)
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
      const { nid, vid, type, object, run, state, child, started_at, planned_at, cancellation } = recordOf(active)
      const since = started_at ?? planned_at
      return {
        nid,
        vid,
        type,
        object,
        run,
        state: state === 'settled' ? 'ended' : state,
        pid: child?.pid ?? null,
        since,
        age_ms: now - since,
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
    parked: attempts.list().map(({ nid, attempts: count, until, reason }) => ({ nid, attempts: count, until, reason })),
    waiting: {
      count: waiting.length,
      oldest_since: waiting[0] ? waiting[0].changed * 1000 : null,
      next: waiting.slice(0, LISTED).map((task) => {
        const reason = reasons.get(task.nid)
        return {
          nid: task.nid,
          type: printable(task.type),
          object: printable(task.object),
          since: task.changed * 1000,
          reason: reason ? say(reason) : 'It starts next.',
        }
      }),
    },
    schedule: parts.schedule.view(scheduleHeld(parts, facts.role)),
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
