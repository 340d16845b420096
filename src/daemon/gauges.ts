import type { Gauges } from '../observe/metrics.js'
import type { Reason } from '../scheduler/plan.js'
import { takesSlot } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import { oldestOf } from './late-queue.js'
import { waitingTasks } from './plan-input.js'
import { reasonsOf } from './status-of.js'

/** Why a task waits, and `next` for those that nothing keeps from starting. All are shown, so that none comes and goes. */
const NOBODY: Record<Reason['kind'] | 'next', 0> = {
  next: 0,
  paused: 0,
  'not-leading': 0,
  'foreign-lock': 0,
  outage: 0,
  overloaded: 0,
  stopping: 0,
  parked: 0,
  'claimed-elsewhere': 0,
  'task-paused': 0,
  settling: 0,
  'behind-same-object': 0,
  'waits-for-lock': 0,
  'must-not-overtake': 0,
  'server-limit': 0,
  'platform-limit': 0,
  'no-free-slot': 0,
}

/** What the daemon knows of itself, which its parts do not. */
export interface DaemonState {
  leads: boolean
  databaseUp: boolean
  /** Whether what is known of the queue is that of the leader; a standby knows nothing of it. */
  knowsQueue: boolean
}

/** The queue as it is now, in numbers. */
export function gaugesOf(parts: DaemonParts, { leads, databaseUp, knowsQueue }: DaemonState): Gauges {
  const { keeper, clock, outage } = parts
  const tasks = knowsQueue ? waitingTasks(parts) : []
  const waiting: Record<string, number> = { ...NOBODY }
  const reasons: ReadonlyMap<number, Reason> = tasks.length === 0 ? new Map() : reasonsOf(parts)
  // While drush does not work only the task that it is tried with next is planned.
  const otherwise = outage.state.kind === 'out' ? 'outage' : 'next'
  for (const { nid } of tasks) {
    const reason = reasons.get(nid)?.kind ?? otherwise
    waiting[reason] = (waiting[reason] ?? 0) + 1
  }
  const oldest = oldestOf(tasks)
  return {
    running: keeper.active.filter(takesSlot).length,
    waiting,
    oldestWaiting: oldest ? Math.max(0, clock.now() / 1000 - oldest.changed) : 0,
    databaseUp,
    leads,
  }
}
