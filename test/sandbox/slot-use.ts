import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Footprints } from '../../src/scheduler/footprints.js'
import { startNow, type Limits, type RunningTask, type WaitingTask } from '../../src/scheduler/plan.js'
import type { Topology } from '../../src/scheduler/topology.js'
import type { RunRecords } from './run-records.js'

/** One task on its slot; milliseconds since 1970. */
export interface Occupancy {
  task: WaitingTask
  /** The daemon has decided to start it. */
  from: number
  /** Its drush has ended; not when the daemon noticed, which is what is judged here. */
  to: number
}

export interface SlotUse {
  /** Slot-milliseconds that were used. */
  used: number
  /** Slot-milliseconds that could have been used. */
  possible: number
  /** From the first start to the last end, milliseconds. */
  span: number
}

/** Who had a slot and when, from the records of settled runs and the time at which each run's shell noted its exit. */
export function occupancies(records: RunRecords, tasks: readonly WaitingTask[]): Occupancy[] {
  const byNid = new Map(tasks.map((task) => [task.nid, task]))
  return records.in('history').flatMap((record) => {
    const task = byNid.get(record.nid)
    if (task === undefined) return []
    return [
      { task, from: record.planned_at, to: statSync(join(records.folder(record.run, 'history'), 'exit')).mtimeMs },
    ]
  })
}

/**
 * How well the slots were used. At each moment so many slots were taken; so many more could have been, by the
 * scheduler's own rules, given what ran at that moment and what waited, on the world as its builder knows it. Used is
 * the integral of the former over time, possible that of both: a slot that nothing could be started on costs nothing,
 * one that was free for a moment although a task could have been started costs that moment.
 */
export function slotUse(
  occupancies: readonly Occupancy[],
  { topology, limits }: { topology: Topology; limits: Limits },
): SlotUse {
  const footprints = new Footprints(topology)
  const waiting = new Set(occupancies.map(({ task }) => task))
  const running = new Map<WaitingTask, RunningTask>()
  const events = occupancies.flatMap((each) => [
    { at: each.from, happens: () => start(each) },
    { at: each.to, happens: () => running.delete(each.task) },
  ])
  const start = ({ task, from }: Occupancy) => {
    waiting.delete(task)
    running.set(task, { ...task, kind: 'own', startedAt: from })
  }
  events.sort((a, b) => a.at - b.at)
  const use: SlotUse = { used: 0, possible: 0, span: (events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0) }
  for (const [index, { at, happens }] of events.entries()) {
    happens()
    const lasts = (events[index + 1]?.at ?? at) - at
    if (lasts <= 0) continue
    const input = { waiting: [...waiting], running: [...running.values()], topology, limits, now: at, footprints }
    use.used += running.size * lasts
    use.possible += (running.size + startNow(input).length) * lasts
  }
  return use
}
