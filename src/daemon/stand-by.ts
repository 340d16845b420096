import type { DatabaseConnection } from '../hostmaster/connection.js'
import type { LeaderLock } from '../hostmaster/leader-lock.js'
import type { AppliedConfiguration } from './applied-configuration.js'
import { ConfigurationChanged } from './configuration-changed.js'
import type { DaemonParts } from './daemon-parts.js'
import type { Heartbeat, HeartbeatState, HeartbeatView } from './heartbeat.js'
import type { Observation } from './observation.js'

/** How long a standby waits at the server for the lock, in seconds; it is granted the moment the leader is gone. */
const CONTEND_SECONDS = 5

/** The same while runs go on that it started as the leader: their ends are not to wait for long. */
const CONTEND_SECONDS_WITH_RUNS = 1

export interface StandByOptions {
  parts: DaemonParts
  configuration: AppliedConfiguration
  heartbeat: Heartbeat
  observation: Observation
  view: (state: HeartbeatState) => HeartbeatView
  /** The database has answered. */
  answered: () => void
  isLeaving: () => boolean
}

/**
 * Waits for the end of the daemon that leads: at the server, for its lock, so that the next leader is there at once.
 * @returns whether the lock is ours; if not, the daemon is to leave.
 * @throws DatabaseError, ConfigurationChanged
 */
export async function standBy(
  connection: DatabaseConnection,
  lock: LeaderLock,
  { parts, configuration, heartbeat, observation, view, answered, isLeaving }: StandByOptions,
): Promise<boolean> {
  const { keeper, settler } = parts
  while (!isLeaving()) {
    // Runs that we started before we lost the lock are still ours, unless the new leader has adopted them.
    if (keeper.active.length > 0) await settler.settleEnded(connection)
    await settler.removeClaims(connection, true)
    await heartbeat.beat(connection, view('standby'))
    const seconds = keeper.active.length > 0 ? CONTEND_SECONDS_WITH_RUNS : CONTEND_SECONDS
    const isOurs = await lock.acquire(seconds).catch((error: unknown) => {
      // Leaving takes the connection from under the wait.
      if (isLeaving()) return false
      throw error
    })
    if (isOurs) return true
    answered()
    observation.keep()
    if ((await configuration.look()) === 'reconnect') throw new ConfigurationChanged()
  }
  await heartbeat.endStandby(connection)
  return false
}
