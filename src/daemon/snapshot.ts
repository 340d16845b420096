import { recordOf } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import type { HeartbeatState } from './heartbeat.js'
import type { Status } from './status.js'

/** How many tasks of each kind the snapshot lists, and how long a text in it may be: the row stays a small one. */
const LISTED = 20
const LONGEST = 120

/** Runs whose drush has been started but has not yet taken its task: Aegir still shows them as queued. */
export function startingRuns({ keeper, reader }: DaemonParts): number {
  return keeper.active.filter((active) => {
    const { nid, vid } = recordOf(active)
    return reader.mirror.waiting.get(nid)?.vid === vid
  }).length
}

/** What the leader is doing, in the module's words. */
export function leaderState(parts: DaemonParts): HeartbeatState {
  const { module, keeper, pauses, lockRow, outage } = parts
  if (parts.draining()) return 'draining'
  // Withdrawn is who holds nothing any more.
  if (module.disabled) return keeper.active.length > 0 || lockRow.state.kind === 'ours' ? 'draining' : 'disabled'
  if (pauses.halt()) return 'paused'
  return parts.halt() || outage.state.kind === 'out' || lockRow.state.kind === 'foreign' ? 'waiting' : 'leader'
}

/** What Drupal has to learn at once when it changes: the runs, the pause, and whether something is starting. */
export function snapshotFacts(parts: DaemonParts): string {
  const runs = parts.keeper.active.map((active) => {
    const { run, state } = recordOf(active)
    return `${run}:${state}`
  })
  const pause = parts.pauses.list()[0]
  const partly = parts.pauses.ofTasks().map(({ type, object, by, reason }) => [type, object, by, reason])
  return JSON.stringify([runs, startingRuns(parts), pause && [pause.by, pause.reason, pause.until], partly])
}

/**
 * The JSON that the module reads: running, waiting, waiting_count, paused, paused_tasks, starting, stuck, config_mtime. Times are
 * seconds since 1970. Plain ASCII, because the column may be of a character set that cannot hold everything.
 */
export function snapshotOf(status: Status, starting: number, configMtime: number): string {
  const seconds = (ms: number) => Math.floor(ms / 1000)
  const text = (value: string) => (value.length > LONGEST ? `${value.slice(0, LONGEST - 1)}…` : value)
  const pause = status.paused[0]
  const snapshot = {
    running: [
      ...status.running.map(({ nid, type, object, pid, since }) => ({ nid, type, object, pid, since })),
      ...status.foreign.map(({ nid, type, object, pid }) => ({ nid, type, object, pid, since: 0 })),
    ]
      .slice(0, LISTED)
      .map(({ nid, type, object, pid, since }) => ({
        nid,
        type: text(type),
        object: text(object),
        pid: pid ?? 0,
        since: seconds(since),
      })),
    waiting: status.waiting.next.slice(0, LISTED).map(({ nid, type, object, since, reason }) => ({
      nid,
      type: text(type),
      object: text(object),
      since: seconds(since),
      reason: text(reason),
    })),
    waiting_count: status.waiting.count,
    paused: pause
      ? {
          by: text(pause.by),
          since: seconds(pause.since),
          until: seconds(pause.until ?? 0),
          reason: text(pause.reason),
        }
      : null,
    paused_tasks: status.paused_tasks.slice(0, LISTED).map(({ type, object, by, since, until, reason }) => ({
      type: text(type ?? ''),
      object: text(object ?? ''),
      by: text(by),
      since: seconds(since),
      until: seconds(until ?? 0),
      reason: text(reason),
    })),
    starting,
    stuck: status.stuck
      .slice(0, LISTED)
      .map(({ nid, type, object }) => ({ nid, type: text(type), object: text(object) })),
    config_mtime: configMtime,
  }
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(snapshot).replace(/[\u007f-\uffff]/g, escaped)
}
