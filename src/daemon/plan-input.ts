import type { TaskRow } from '../hostmaster/task-queries.js'
import type { PlanInput, RunningTask, WaitingTask } from '../scheduler/plan.js'
import type { Footprint } from '../scheduler/locks.js'
import { isPutOff } from '../scheduler/queue-order.js'
import { recordOf, takesSlot } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import { pauseOf } from './pauses.js'
import type { KnownTopology } from './topology-reader.js'

/** Those that wait in Aegir and have no run: until drush has begun, the row of one that was started says queued. */
export function waitingTasks({ reader, keeper }: DaemonParts): TaskRow[] {
  const busy = new Set(keeper.active.map((active) => recordOf(active).nid))
  return [...reader.mirror.waiting.values()].filter(({ nid }) => !busy.has(nid))
}

/** What the scheduler decides on, gathered from the rooms that know it. */
export function planInput(parts: DaemonParts, known: KnownTopology): PlanInput {
  const { attempts, outage, claimedElsewhere, pauses, clock, settings } = parts
  const pausesOfTasks = pauses.ofTasks()
  const waiting: WaitingTask[] = []
  for (const task of waitingTasks(parts)) {
    const claimedUntil = claimedElsewhere.until(task)
    const until = claimedUntil ?? attempts.parked(task.nid)?.until
    const paused = pauseOf(task, pausesOfTasks)
    // Most have none of it, and a copy of each of ten thousand would be thrown away with the plan.
    if (until === undefined && paused === undefined) waiting.push(task)
    else
      waiting.push({
        ...task,
        ...(until === undefined ? {} : { parkedUntil: until }),
        ...(claimedUntil === undefined ? {} : { claimed: true }),
        ...(paused === undefined ? {} : { paused }),
      })
  }
  const isProbing = outage.state.kind === 'out'
  const startable = waiting.filter((task) => !isPutOff(task, clock.now()))
  const halted = parts.halt()
  const { limits, queue } = settings()
  return {
    waiting: isProbing ? outage.probeFrom(startable) : waiting,
    running: runningTasks(parts),
    ...known,
    limits: {
      concurrentTasks: isProbing ? 1 : parts.slots(),
      runsPerWebServer: limits.runs_per_web_server,
      siteVerifiesPerPlatform: limits.site_verifies_per_platform,
      settle: queue.settle,
    },
    now: clock.now(),
    ...(halted === undefined ? {} : { halted }),
  }
}

/** What holds locks, ours or not. */
export function runningTasks({ keeper, foreign, reader }: DaemonParts): RunningTask[] {
  const own = keeper.active.map((active): RunningTask => {
    const { nid, type, rid, object, footprint, state, started_at } = recordOf(active)
    const kind = takesSlot(active) ? (state === 'orphaned' ? 'orphaned' : 'own') : 'ended'
    return {
      nid,
      type,
      rid,
      object,
      arguments: {},
      kind,
      ...(started_at === null ? {} : { startedAt: started_at }),
      ...(footprint === null ? {} : { footprint: footprint as Footprint }),
    }
  })
  const others = foreign.all.map(({ task, is }): RunningTask => {
    const { nid, type, rid, object } = task
    const common = { nid, type, rid, object, arguments: task.arguments }
    switch (is.kind) {
      case 'foreign':
      case 'elsewhere':
        return { ...common, kind: 'foreign' }
      case 'nested':
        return { ...common, kind: 'nested' }
      case 'stuck':
        return { ...common, kind: 'stuck' }
    }
  })
  // Nobody has looked yet whose they are: until then their objects are taken, nothing is started on a guess.
  const looked = new Set(foreign.all.map(({ task }) => task.vid))
  const unknown = [...reader.mirror.processing.values()]
    .filter(({ nid, vid }) => !looked.has(vid) && !keeper.find((record) => record.nid === nid))
    .map(({ nid, type, rid, object, arguments: given }): RunningTask => {
      return { nid, type, rid, object, arguments: given, kind: 'foreign' }
    })
  return [...own, ...others, ...unknown]
}
