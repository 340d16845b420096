import type { WaitingTask } from '../../src/scheduler/plan.js'
import type { Interval } from './conflict-checker.js'
import type { JournalEntry } from './journal.js'

/**
 * What the journal says has run, as the checker takes it: times in seconds. A task that another one ran inside itself
 * is known by its session. One that never ended lasts for ever.
 */
export function intervalsOf(journal: readonly JournalEntry[], queued: readonly WaitingTask[]): Interval[] {
  const byNid = new Map(queued.map((task) => [task.nid, task]))
  const ends = new Map(journal.flatMap((entry) => (entry.event === 'end' ? [[entry.vid, entry.time]] : [])))
  const sessions = new Map<number, number>()
  const intervals: Interval[] = []
  for (const { event, nid, vid, rid, type, sid, time } of journal) {
    if (event !== 'start' || nid === undefined || rid === undefined || type === undefined) continue
    const task = byNid.get(nid)
    const leader = sessions.get(sid)
    if (leader === undefined) sessions.set(sid, nid)
    intervals.push({
      nid,
      rid,
      type,
      start: time,
      end: ends.get(vid) ?? Infinity,
      ...(task !== undefined && { arguments: task.arguments, changed: task.changed }),
      ...(leader !== undefined && { partOf: leader }),
    })
  }
  return intervals
}

/** nids that were started more than once, or never. */
export function notExactlyOnce(journal: readonly JournalEntry[], queued: readonly WaitingTask[]): number[] {
  const starts = new Map<number, number>()
  for (const { event, nid = 0 } of journal) if (event === 'start') starts.set(nid, (starts.get(nid) ?? 0) + 1)
  return queued.map(({ nid }) => nid).filter((nid) => starts.get(nid) !== 1)
}
