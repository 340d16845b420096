import { DATABASE_LIMITS, type DatabaseAddress, type DatabaseLimits } from '../hostmaster/connection.js'
import type { DaemonLog } from '../observe/logger.js'
import type { ProcessTable } from '../runner/process-table.js'
import type { ChildSurroundings } from '../runner/run-shell.js'
import type { Clock } from './clock.js'
import type { ConfigurationSource } from './configuration.js'
import { LIVENESS_LIMITS, type LivenessLimits } from './self-check.js'

/** What the daemon waits for at most, counted in real time whatever its clock says. */
export interface DaemonLimits {
  database: DatabaseLimits
  /** Longer than the longest back-off, which is no sign of a hang. */
  liveness: LivenessLimits
  /** Waits between attempts to reach the database, in milliseconds, with jitter; the last one repeats. */
  backOff: readonly number[]
}

export const DAEMON_LIMITS: DaemonLimits = {
  database: DATABASE_LIMITS,
  liveness: LIVENESS_LIMITS,
  backOff: [250, 500, 1_000, 2_000, 5_000, 10_000],
}

export interface DaemonOptions {
  version: string
  configuration: ConfigurationSource
  /** Resolves the database's address: `localhost` stands for a socket that PHP knows. */
  resolveAddress: () => Promise<DatabaseAddress>
  log: DaemonLog
  clock: Clock
  limits: DaemonLimits
  processes: ProcessTable
  surroundings: ChildSurroundings
  /** Drains the queue and leaves. */
  once: boolean
  /** Waits as standby while another daemon leads; else leaves with ALREADY_RUNNING. */
  standby: boolean
  /** Waits for a database that cannot be reached at the start; else leaves with its fault. */
  wait: boolean
  /** The daemon leads, or stands by. */
  ready?: (role: 'leader' | 'standby') => void
}
