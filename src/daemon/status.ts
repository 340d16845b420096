import type { Reason } from '../scheduler/plan.js'
import type { Failure } from './last-failures.js'
import type { ScheduleView } from './schedule/schedule-view.js'
import type { UsualDuration } from './usual-durations.js'

/** What `skynet status --json` prints and the control socket answers; times are milliseconds since 1970. */
export interface Status {
  version: string
  pid: number
  host: string
  started_at: number
  uptime_ms: number
  role: Role
  /** Degraded: somebody has to look; the concerns say at what. */
  health: { state: 'healthy' | 'degraded'; concerns: string[] }
  /** Other daemons on this state directory that wait to take over. */
  standbys: { pid: number; since: number }[]
  database: { name: string; state: 'connected' | 'lost' | 'connecting'; since: number; error: string | null }
  /** Pauses of the whole queue; until null: somebody has to end it. */
  paused: { by: string; since: number; until: number | null; reason: string }[]
  /** Pauses of some tasks: of a type, of an object, or both. */
  paused_tasks: {
    type: string | null
    object: string | null
    by: string
    since: number
    until: number | null
    reason: string
  }[]
  /** What keeps the queue from being worked on besides pauses: somebody else's lock, overload, a full disk, … */
  hindrances: { name: string; message: string; since: number }[]
  slots: number
  running: RunningStatus[]
  /** Processing tasks that Skynet did not start and whose process is alive. */
  foreign: { nid: number; type: string; object: string; pid: number }[]
  /** Processing tasks without any process. */
  stuck: { nid: number; type: string; object: string }[]
  parked: { nid: number; type: string; object: string; attempts: number; until: number; reason: string }[]
  waiting: { count: number; oldest_since: number | null; by_reason: WaitingGroup[]; next: WaitingStatus[] }
  /** What is run at its times, and how it went. */
  schedule: ScheduleView
  /** The last runs that failed, newest first. */
  failures: readonly Failure[]
  /** Records that are shown and never touched: of another machine, or that cannot be read. */
  untouchable_records: { run: string; reason: string }[]
  last_error: { at: number; message: string } | null
}

/** `disabled`: it could lead, but Aegir's administrators have disabled the module. */
export type Role =
  'starting' | 'leader' | 'standby' | 'disabled' | 'connecting' | 'waiting for configuration' | 'stopping'

export interface RunningStatus {
  nid: number
  vid: number
  type: string
  object: string
  run: string
  state: 'starting' | 'running' | 'orphaned' | 'ended'
  pid: number | null
  since: number
  age_ms: number
  /** How long tasks of this type usually take; null: none of it is known to have ended. */
  usual: UsualDuration | null
  /** Who has cancelled it; null: nobody. */
  cancelled_by: string | null
}

/** Waiting tasks that wait for the same kind of reason, groups and tasks in the order of the queue. */
export interface WaitingGroup {
  /** The kind of reason; `next`: nothing keeps them. */
  reason: Reason['kind'] | 'next'
  count: number
  oldest_since: number
  /** The first of them. */
  tasks: WaitingStatus[]
}

export interface WaitingStatus {
  nid: number
  type: string
  object: string
  since: number
  reason: string
}
