import type { JournalEntry } from '../sandbox/journal.js'

export interface Verdict {
  /** nid and what is wrong with it. */
  lost: string[]
  doubled: string[]
}

/** What the database says of the tasks that are judged. */
export interface Rows {
  /** nid to current status. */
  statuses: ReadonlyMap<number, number | null>
  /** Those of which drush has saved a revision: one that died before it could tell its journal has still begun. */
  begun: ReadonlySet<number>
}

export interface Expectations {
  /** Whether drush, or what it needs, was broken: then a task may be red without having come to its end. */
  mayFail?: boolean
}

/** Judges tasks by what drush's journal and their rows say of them. */
export function judge(
  nids: readonly number[],
  { statuses, begun }: Rows,
  journal: readonly JournalEntry[],
  { mayFail = false }: Expectations = {},
): Verdict {
  const lost: string[] = []
  const doubled: string[] = []
  for (const nid of nids) {
    const its = journal.filter((entry) => entry.nid === nid)
    const starts = its.filter(({ event }) => event === 'start').length
    const refused = its.filter(({ event, reason }) => event === 'refused' && reason !== 'sandbox').length
    const end = its.findLast(({ event }) => event === 'end')
    const status = statuses.get(nid)
    const seen = `task ${nid}: status ${status ?? 'none'}, ${starts} starts, ${end ? `ended ${end.status}` : 'no end'}`
    // A drush that drush's own guard turned away is one that should not have been started.
    if (starts + refused > 1) doubled.push(`${seen}, ${refused} refused`)
    const hasRun = starts > 0 || (mayFail && begun.has(nid))
    if (!hasRun || status === undefined || status === null || status < 1) lost.push(seen)
    else if (end ? end.status !== status : !mayFail) lost.push(seen)
  }
  return { lost, doubled: [...doubled, ...overlaps(nids, journal)] }
}

/** Two tasks at work on one object at the same time, backends of killed drushes included. */
function overlaps(nids: readonly number[], journal: readonly JournalEntry[]): string[] {
  const found: string[] = []
  const open = new Map<number, Map<string, JournalEntry>>()
  const mine = new Set(nids)
  for (const entry of journal) {
    if (entry.nid === undefined || entry.rid === undefined || !mine.has(entry.nid)) continue
    const on = open.get(entry.rid) ?? new Map<string, JournalEntry>()
    open.set(entry.rid, on)
    const part = entry.event.startsWith('backend') ? 'backend' : 'main'
    if (entry.event === 'end' || entry.event === 'backend-end') on.delete(`${entry.nid} ${part}`)
    if (entry.event !== 'start' && entry.event !== 'backend-start') continue
    // Of a killed one there is no end; a backend that still lives will say so later.
    const others = [...on.values()].filter(({ nid, event, pid }) => {
      const ended = (later: JournalEntry) => later.event === endOf(event) && later.nid === nid && later.pid === pid
      const end = journal.find(ended)
      return nid !== entry.nid && end !== undefined && end.time > entry.time
    })
    for (const other of others) found.push(`tasks ${other.nid ?? 0} and ${entry.nid} overlap on object ${entry.rid}`)
    on.set(`${entry.nid} ${part}`, entry)
  }
  return found
}

function endOf(event: JournalEntry['event']): JournalEntry['event'] {
  return event === 'start' ? 'end' : 'backend-end'
}
