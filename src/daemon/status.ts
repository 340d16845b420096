import type { ScheduleView } from './schedule/schedule-view.js'

/** What `skynet status --json` prints and the control socket answers; times are milliseconds since 1970. */
export interface Status {
  version: string
  pid: number
  host: string
  started_at: number
  uptime_ms: number
  role: Role
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
  parked: { nid: number; attempts: number; until: number; reason: string }[]
  waiting: { count: number; oldest_since: number | null; next: WaitingStatus[] }
  /** What is run at its times, and how it went. */
  schedule: ScheduleView
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
  /** Who has cancelled it; null: nobody. */
  cancelled_by: string | null
}

export interface WaitingStatus {
  nid: number
  type: string
  object: string
  since: number
  reason: string
}
