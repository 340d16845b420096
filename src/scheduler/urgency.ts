import type { RunningTask, WaitingTask } from './plan-input.js'
import { changed } from './queue-order.js'
import type { Topology } from './topology.js'

/**
 * - interactive: a person sits and waits for it (a login link).
 * - bulk: one of many alike, queued by a program or with one click. Nobody waits for the single one.
 * - ordinary: all others.
 *
 * Interactive tasks go before bulk. Ordinary ones take part in no overtaking: between themselves and towards both
 * other kinds the queue's own order holds, which is what an operator of Aegir is used to.
 */
export type Urgency = 'interactive' | 'ordinary' | 'bulk'

/** More than this many tasks of sites of one type make a batch … */
const BATCH = 10

/** … when each was queued within so many seconds of the one before: eleven people with a login each are no batch. */
const BATCH_GAP = 300

/** A verify of a server or platform. Times are milliseconds since 1970. */
export interface VerifyRun {
  readonly rid: number
  readonly startedAt: number
  /** Absent while it runs. */
  readonly endedAt?: number
}

/**
 * The nids of the bulk tasks among these: those already known as such, batches of more than ten tasks of one type on sites, and
 * verifies queued by one of `verifies`, of the server or platform that they are on. `tasks` in the queue's order.
 */
export function bulkTasks(
  tasks: readonly WaitingTask[],
  verifies: readonly VerifyRun[],
  topology: Topology,
): Set<number> {
  const bulk = new Set<number>()
  const batches = new Map<string, WaitingTask[]>()
  const verifiesOf = new Map<number, VerifyRun[]>()
  for (const verify of verifies) verifiesOf.set(verify.rid, [...(verifiesOf.get(verify.rid) ?? []), verify])
  for (const task of tasks) {
    if (task.bulk === true || queuedByVerify(task, verifiesOf, topology)) bulk.add(task.nid)
    if (!topology.sites.has(task.rid)) continue
    const batch = batches.get(task.type)
    const last = batch?.at(-1)
    if (batch === undefined || last === undefined || changed(task) - changed(last) > BATCH_GAP) {
      batches.set(task.type, [task])
      continue
    }
    batch.push(task)
    if (batch.length === BATCH + 1) for (const each of batch) bulk.add(each.nid)
    else if (batch.length > BATCH) bulk.add(task.nid)
  }
  return bulk
}

/** Those of the runs that are verifies. */
export function runningVerifies(running: readonly RunningTask[]): VerifyRun[] {
  return running.flatMap(({ type, kind, rid, startedAt }) =>
    type === 'verify' && kind !== 'stuck' && startedAt !== undefined ? [{ rid, startedAt }] : [],
  )
}

function queuedByVerify(
  task: WaitingTask,
  verifiesOf: ReadonlyMap<number, readonly VerifyRun[]>,
  topology: Topology,
): boolean {
  if (task.type !== 'verify' || verifiesOf.size === 0) return false
  const platform = topology.platforms.get(topology.sites.get(task.rid)?.platform ?? task.rid)
  if (platform === undefined) return false
  // `changed` is in whole seconds: of the second in which the verify started, the end counts.
  const queuedAt = changed(task) * 1000
  const parents = platform.nid === task.rid ? [platform.webServer] : [platform.nid, platform.webServer]
  const isWithin = ({ startedAt, endedAt = Infinity }: VerifyRun) => startedAt <= queuedAt + 999 && queuedAt <= endedAt
  return parents.some((nid) => verifiesOf.get(nid)?.some(isWithin))
}
