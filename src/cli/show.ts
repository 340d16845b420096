import { existsSync } from 'node:fs'
import { readTaskArguments, readTaskRevisions } from '../hostmaster/task-details.js'
import { readTaskList } from '../hostmaster/task-list.js'
import { readLogEnd } from '../hostmaster/task-log.js'
import { printable } from '../observe/printable.js'
import type { RunStore } from '../runner/run-store.js'
import { openRunStore } from './doctor/open-run-store.js'
import { sayWithoutDaemon, withDatabase, type DatabaseView } from './database-view.js'
import { dateAndTime } from './moment.js'
import type { VerbContext } from './program.js'
import { wholeNumber } from './scale.js'
import { screenOf, wrap, type Screen } from './screen.js'
import { duration } from './duration.js'
import { LineMasker, shownArgument } from './shown-text.js'
import { tableLines, type Column } from './table.js'
import { lastOutputLines } from './tail/output-follower.js'
import { TailPrinter, logLine, type TailLine } from './tail/tail-line.js'
import { noSuchTask, taskNumber } from './task-number.js'
import { ProcessTable } from '../runner/process-table.js'
import { recordsOf, runsOf, type ShownRun } from './task-runs.js'
import { STATE_STYLES, showTasks, type ShownTask } from './task-state.js'
import { whyOf } from './why.js'

export interface ShowOptions {
  config_file?: string
  lines: string
  json?: boolean
}

/** What `skynet show --json` prints: a task as `skynet tasks` has it, and all that is known of it besides. */
export interface TaskDetails extends ShownTask {
  /** Why it is not running, or what became of it. */
  why: string
  arguments: Record<string, string>
  runs: ShownRun[]
  /** The end of its log and of its last run's output. */
  log: Omit<TailLine, 'nid' | 'type' | 'object' | 'source'>[]
  output: string[]
}

const MOST_LINES = 10_000

const RUN_COLUMNS: Column[] = [
  { title: 'STARTED' },
  { title: 'TOOK', align: 'right' },
  { title: 'OUTCOME', shrinkTo: 10 },
  { title: 'EXIT', shrinkTo: 8 },
  { title: 'RUN', shrinkTo: 12 },
]

/** `skynet show NID`: everything that is known of one task. @throws SkynetError */
export async function show(text: string, options: ShowOptions, context: VerbContext): Promise<number> {
  const nid = taskNumber(text)
  const lines = options.lines === '0' ? 0 : wholeNumber(options.lines, MOST_LINES, 'the number of lines')
  return withDatabase(options.config_file, context.environment, async (view) => {
    const details = await detailsOf(view, nid, lines)
    if (options.json) {
      process.stdout.write(`${JSON.stringify(details, null, 2)}\n`)
      return 0
    }
    sayWithoutDaemon(view)
    process.stdout.write(`${describe(details, screenOf(process.stdout, context.environment)).join('\n')}\n`)
    return 0
  })
}

async function detailsOf(view: DatabaseView, nid: number, lines: number): Promise<TaskDetails> {
  const { connection, config } = view
  const { dir } = config.state
  const found = await readTaskList(connection, { nids: [nid] }, 1)
  const [task] = await showTasks(connection, dir, found, Date.now())
  if (!task) throw noSuchTask(nid)
  const store = openRunStore(dir)
  const records = recordsOf(store, nid)
  const rows = await readLogEnd(connection, task.vid, lines)
  const args = await readTaskArguments(connection, task.vid)
  return {
    ...task,
    why: await whyOf(view, nid),
    arguments: Object.fromEntries(args.map(({ name, value }) => [printable(name), shownArgument(name, value)])),
    runs: runsOf(await readTaskRevisions(connection, nid), records, new ProcessTable()),
    log: rows.map((row) => {
      const { log_type, time, text } = logLine(task, row)
      return { log_type, time, text }
    }),
    output: store ? endOfOutput(store, records.at(-1)?.run, lines) : [],
  }
}

function endOfOutput(store: RunStore, run: string | undefined, lines: number): string[] {
  if (run === undefined) return []
  const file = [store.outputFile(run), store.settledOutputFile(run)].find((name) => existsSync(name))
  const masker = new LineMasker()
  return file === undefined ? [] : lastOutputLines(file, lines).map((line) => masker.shown(line))
}

/** Column at which the facts begin, as in `skynet status`. */
const INDENT = 11

function describe(details: TaskDetails, screen: Screen): string[] {
  const { nid, type, object, state, queued_at, started_at, waited_ms, took_ms, log, output } = details
  const lines: string[] = []
  const say = (label: string, text: string): void => {
    const [first = '', ...rest] = wrap(text, screen.width - INDENT)
    lines.push((label === '' ? '' : `${label}:`).padEnd(INDENT) + first)
    lines.push(...rest.map((line) => ' '.repeat(INDENT) + line))
  }
  say('Task', `${nid}, ${type === '' ? '(no type)' : type} of ${object === '' ? '(no object)' : object}`)
  lines.push('State:'.padEnd(INDENT) + screen.paint(STATE_STYLES[state], state))
  say('Queued', dateAndTime(queued_at))
  if (started_at !== null) {
    const after = waited_ms === null ? '' : `, after ${duration(waited_ms)}`
    const took =
      took_ms === null
        ? ''
        : `; ${state === 'running' || state === 'foreign' ? 'runs for' : 'took'} ${duration(took_ms)}`
    say('Started', `${dateAndTime(started_at)}${after}${took}`)
  }
  say('Why', details.why)
  for (const [index, [name, value]] of Object.entries(details.arguments).entries()) {
    say(index === 0 ? 'Arguments' : '', `${name} = ${value}`)
  }
  if (details.runs.length > 0) {
    lines.push('', ...tableLines(RUN_COLUMNS, details.runs.map(rowOf), screen))
  }
  const printer = new TailPrinter(screen, false)
  const task = { nid, type, object }
  if (log.length > 0) {
    lines.push('', screen.paint('bold', 'The end of its log:'))
    lines.push(...log.map((row) => printer.print({ ...task, source: 'log', ...row }).trimEnd()))
  }
  if (output.length > 0) {
    lines.push('', screen.paint('bold', 'The end of what its last run printed:'), ...output)
  }
  return lines
}

function rowOf({ run, started_at, took_ms, outcome, exit_code, signal, pid }: ShownRun): string[] {
  const exit = signal !== null ? `signal ${signal}` : exit_code !== null ? String(exit_code) : '-'
  return [
    started_at === null ? '-' : dateAndTime(started_at),
    took_ms === null ? '-' : duration(took_ms),
    outcome,
    pid === null ? exit : `process ${pid}`,
    run ?? 'not recorded by Skynet',
  ]
}
