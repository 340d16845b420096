import { locks } from '../../src/scheduler/locks.js'
import type { Lock, Lockable } from '../../src/scheduler/locks.js'
import type { PlanInput, WaitingTask } from '../../src/scheduler/plan.js'
import type { Topology } from '../../src/scheduler/topology.js'

/**
 * What `plan` should start, by looking at every pair of tasks: slow, without tables, without shortcuts. It takes only
 * the locks of a single task from the scheduler (they have tests of their own), and knows no `parentsFirst`.
 */
export function model(input: PlanInput): number[] {
  const { now, limits, topology } = input
  const line = [...input.waiting].sort((a, b) => a.changed - b.changed || a.nid - b.nid)
  const holders = input.running.filter(({ kind }) => kind !== 'stuck')
  const lockOf = remember((task: Lockable) => byResource(locks(task, topology, input.extraTypes)))
  const clash = (a: Lockable, b: Lockable) => disagree(lockOf(a), lockOf(b))

  const bulk = bulkOf(line, topology)
  const interactive = (task: WaitingTask) => INTERACTIVE.includes(task.type) && !bulk.has(task)
  const urgent = (task: WaitingTask) =>
    line.some((other) => interactive(other) && other.rid === task.rid && line.indexOf(other) >= line.indexOf(task))
  const parked = (task: WaitingTask) => (task.parkedUntil ?? 0) > now
  const behindParked = (index: number) => line.slice(0, index + 1).some((t) => t.rid === line[index]?.rid && parked(t))

  const mayPass = (task: WaitingTask, other: WaitingTask) =>
    interactive(task) && isBroadVerify(other, topology) && now - other.changed * 1000 < 15 * 60 * 1000
  const candidates = line.filter((task, index) => {
    const ahead = line.slice(0, index)
    return !(
      parked(task) ||
      [...holders, ...ahead].some((other) => other.rid === task.rid) ||
      holders.some((other) => clash(task, other)) ||
      ahead.some((other, i) => !behindParked(i) && clash(task, other) && !mayPass(task, other))
    )
  })

  const running: Lockable[] = [...holders]
  const counted: Lockable[] = holders.filter(({ kind }) => kind !== 'nested' && kind !== 'ended')
  let free = limits.concurrentTasks - holders.filter(({ kind }) => kind === 'own' || kind === 'orphaned').length
  let inARow = input.urgentInARow ?? 0
  const started: number[] = []
  while (candidates.length > 0 && free > 0) {
    const firstUrgent = candidates.find(urgent)
    const firstOther = candidates.find((task) => !urgent(task))
    const urgentGoes = firstOther === undefined || firstOther !== candidates[0] || (bulk.has(firstOther) && inARow < 10)
    const next = firstUrgent !== undefined && urgentGoes ? firstUrgent : firstOther
    if (next === undefined) break
    candidates.splice(candidates.indexOf(next), 1)
    if (running.some((other) => clash(next, other)) || isFull(next, counted, topology)) continue
    started.push(next.nid)
    running.push(next)
    counted.push(next)
    free--
    inARow = urgent(next) ? inARow + 1 : 0
  }
  return started
}

const INTERACTIVE = ['login-reset', 'backup-delete', 'disable', 'enable', 'flush_cache', 'rebuild_registry', 'run_cron']

function isBroadVerify({ type, rid }: Lockable, { sites, platforms, servers }: Topology): boolean {
  return type === 'verify' && (platforms.has(rid) || servers.has(rid) || sites.get(rid)?.hostmaster === true)
}

/** More than ten tasks of one type on sites, none queued more than five minutes after the one before. */
function bulkOf(line: readonly WaitingTask[], { sites }: Topology): Set<WaitingTask> {
  const bulk = new Set(line.filter((task) => task.bulk === true))
  for (const type of new Set(line.map((task) => task.type))) {
    const alike = line.filter((task) => task.type === type && sites.has(task.rid))
    const cuts = alike.flatMap((task, i) => (i === 0 || task.changed - (alike[i - 1]?.changed ?? 0) > 300 ? [i] : []))
    cuts.forEach((from, i) => {
      const batch = alike.slice(from, cuts[i + 1])
      if (batch.length > 10) batch.forEach((task) => bulk.add(task))
    })
  }
  return bulk
}

/** Three runs on one web server, two site verifies on one platform. */
function isFull(task: Lockable, running: readonly Lockable[], topology: Topology): boolean {
  const platformOf = (each: Lockable) => topology.sites.get(each.rid)?.platform
  const verifies = running.filter((each) => each.type === 'verify' && platformOf(each) === platformOf(task))
  if (task.type === 'verify' && platformOf(task) !== undefined && verifies.length >= 2) return true
  return webServers(task, topology).some(
    (nid) => running.filter((each) => webServers(each, topology).includes(nid)).length >= 3,
  )
}

/** The web servers that a task works on, with their members (here: of one level). */
function webServers(task: Lockable, topology: Topology): number[] {
  const { sites, platforms, servers } = topology
  const platform = platforms.get(sites.get(task.rid)?.platform ?? task.rid)
  const moves = ['migrate', 'clone'].includes(task.type) && sites.has(task.rid)
  const target = moves ? platforms.get(Number(task.arguments['target_platform'])) : undefined
  // A task that is understood in part only takes everything, and is counted nowhere.
  if (moves && target === undefined) return []
  const first = platform === undefined ? (servers.has(task.rid) ? [task.rid] : []) : [platform.webServer]
  if (target !== undefined) first.push(target.webServer)
  return first.flatMap((nid) => [nid, ...(servers.get(nid)?.members ?? [])])
}

type Modes = ReadonlyMap<string, Lock['mode']>

function byResource(list: readonly Lock[]): Modes {
  return new Map(list.map(({ resource, mode }) => [resource, mode]))
}

/** Whether the two may not run at the same time. */
export function disagree(a: Modes, b: Modes): boolean {
  for (const [resource, mode] of a) {
    const other = b.get(resource)
    if (other !== undefined && (mode === 'exclusive' || other === 'exclusive')) return true
  }
  return false
}

export function conflict(a: Lockable, b: Lockable, topology: Topology): boolean {
  return disagree(byResource(locks(a, topology)), byResource(locks(b, topology)))
}

function remember<Key, Value>(compute: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>()
  return (key) => {
    const value = known.get(key) ?? compute(key)
    known.set(key, value)
    return value
  }
}
