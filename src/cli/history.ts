import { Distribution } from '../daemon/distribution.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { readTaskCounts, type TaskCount } from '../hostmaster/task-list.js'
import { printable } from '../observe/printable.js'
import { sayWithoutDaemon, withDatabase } from './database-view.js'
import { dateAndTime, parseSince } from './moment.js'
import type { VerbContext } from './program.js'
import { screenOf } from './screen.js'
import { duration } from './duration.js'
import { tableLines, type Cell, type Column } from './table.js'

export interface HistoryOptions {
  config_file?: string
  since: string
  json?: boolean
}

/** Aegir counts whole seconds. */
interface Spread {
  median_ms: number | null
  p95_ms: number | null
}

export interface TypeHistory {
  type: string
  /** Tasks that were started, those that still run among them. */
  count: number
  failures: number
  warnings: number
  waiting: Spread
  /** Of those that have ended. */
  running: Spread
}

/** What `skynet history --json` prints; times are milliseconds since 1970. */
export interface HistoryAnswer {
  since: number
  until: number
  types: TypeHistory[]
  /** Of all types together, called `all`; null where no task was started. */
  all: TypeHistory | null
}

const COLUMNS: Column[] = [
  { title: 'TYPE', shrinkTo: 8 },
  { title: 'TASKS', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'WAITED median', align: 'right' },
  { title: 'WAITED 95 %', align: 'right' },
  { title: 'TOOK median', align: 'right' },
  { title: 'TOOK 95 %', align: 'right' },
]

/** `skynet history`: how many tasks of each type there were, and how long they waited and took. @throws SkynetError */
export async function history(options: HistoryOptions, context: VerbContext): Promise<number> {
  const now = Date.now()
  const since = parseSince(options.since, now)
  return withDatabase(options.config_file, context.environment, async (view) => {
    const counts = await readTaskCounts(view.connection, Math.ceil(since / 1000))
    const types = historyByType(counts)
    const [total] = historyByType(counts.map((count) => ({ ...count, type: 'all' })))
    sayWithoutDaemon(view)
    if (options.json) {
      const answer: HistoryAnswer = { since: Math.round(since), until: now, types, all: total ?? null }
      process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
    } else if (!total) {
      process.stderr.write(`No task was started since ${dateAndTime(since)}.\n`)
    } else {
      const rows = [...types, ...(types.length > 1 ? [total] : [])].map(rowOf)
      const lines = tableLines(COLUMNS, rows, screenOf(process.stdout, context.environment))
      process.stdout.write(`Tasks started since ${dateAndTime(since)}:\n${lines.join('\n')}\n`)
    }
    return 0
  })
}

/** The most frequent type first. */
export function historyByType(counts: readonly TaskCount[]): TypeHistory[] {
  const types = new Map<string, { failures: number; warnings: number; waited: Distribution; took: Distribution }>()
  for (const { type, status, waited, took, count } of counts) {
    const known = types.get(type) ?? {
      failures: 0,
      warnings: 0,
      waited: new Distribution(),
      took: new Distribution(),
    }
    types.set(type, known)
    // A clock that was set back in between makes no task start before it was queued.
    known.waited.add(Math.max(0, waited ?? 0), count)
    if (took !== null && status !== TASK_STATUS.processing) known.took.add(took, count)
    if (status === TASK_STATUS.error) known.failures += count
    if (status === TASK_STATUS.warning) known.warnings += count
  }
  return [...types]
    .map(([type, { failures, warnings, waited, took }]) => ({
      type: printable(type),
      count: waited.count,
      failures,
      warnings,
      waiting: spreadOf(waited),
      running: spreadOf(took),
    }))
    .sort((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1))
}

function spreadOf(seconds: Distribution): Spread {
  const ms = (share: number): number | null => {
    const value = seconds.quantile(share)
    return value === undefined ? null : value * 1000
  }
  return { median_ms: ms(0.5), p95_ms: ms(0.95) }
}

function rowOf({ type, count, failures, waiting, running }: TypeHistory): Cell[] {
  const time = (ms: number | null) => (ms === null ? '-' : duration(ms))
  return [
    type,
    String(count),
    failures === 0 ? '0' : { text: String(failures), style: 'red' },
    time(waiting.median_ms),
    time(waiting.p95_ms),
    time(running.median_ms),
    time(running.p95_ms),
  ]
}
