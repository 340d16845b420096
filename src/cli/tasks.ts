import { SkynetError } from '../config/skynet-error.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { readObjectNids, readTaskList } from '../hostmaster/task-list.js'
import { printable } from '../observe/printable.js'
import { sayWithoutDaemon, withDatabase } from './database-view.js'
import { dateAndTime, parseSince } from './moment.js'
import type { VerbContext } from './program.js'
import { wholeNumber } from './scale.js'
import { screenOf } from './screen.js'
import { duration } from './duration.js'
import { tableLines, type Column } from './table.js'
import { STATE_STYLES, showTasks, type ShownTask } from './task-state.js'

export interface TasksOptions {
  config_file?: string
  status?: string[]
  object?: string
  type?: string
  since?: string
  limit?: string
  json?: boolean
}

/** Tasks that are listed unless another number is asked for. */
const LISTED = 50
const MOST = 1_000_000

const COLUMNS: Column[] = [
  { title: 'TASK', align: 'right' },
  { title: 'TYPE', shrinkTo: 8 },
  { title: 'OBJECT', shrinkTo: 12 },
  { title: 'STATE' },
  { title: 'STARTED OR QUEUED' },
  { title: 'WAITED', align: 'right' },
  { title: 'TOOK', align: 'right' },
]

/** `skynet tasks`: the tasks that fit, the latest first. @throws SkynetError */
export async function tasks(options: TasksOptions, context: VerbContext): Promise<number> {
  const now = Date.now()
  const limit = options.limit === undefined ? LISTED : wholeNumber(options.limit, MOST, 'the number of tasks')
  const since = options.since === undefined ? undefined : Math.ceil(parseSince(options.since, now) / 1000)
  const statuses = options.status?.map((word) => TASK_STATUS[word as keyof typeof TASK_STATUS])
  return withDatabase(options.config_file, context.environment, async (view) => {
    const { connection, config } = view
    const rids =
      options.object === undefined ? undefined : await readObjectNids(connection, contextName(options.object))
    if (rids?.length === 0) throw noSuchObject(options.object ?? '')
    const filter = {
      ...(since === undefined ? {} : { since }),
      ...(statuses === undefined ? {} : { statuses }),
      ...(options.type === undefined ? {} : { type: options.type }),
      ...(rids === undefined ? {} : { rids }),
    }
    // One more than asked for tells whether there are more.
    const found = await readTaskList(connection, filter, limit + 1)
    const shown = await showTasks(connection, config.state.dir, found.slice(0, limit), now)
    sayWithoutDaemon(view)
    const screen = screenOf(process.stdout, context.environment)
    const lines = options.json
      ? shown.map((task) => JSON.stringify(task))
      : shown.length === 0
        ? []
        : tableLines(COLUMNS, shown.map(rowOf), screen)
    process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    if (shown.length === 0) process.stderr.write('There is no such task.\n')
    if (found.length > limit) process.stderr.write(`These are the latest ${limit}; more with --limit, or --since.\n`)
    return 0
  })
}

function rowOf({ nid, type, object, state, queued_at, started_at, waited_ms, took_ms }: ShownTask) {
  return [
    String(nid),
    type === '' ? '(no type)' : type,
    object === '' ? '(no object)' : object,
    { text: state, style: STATE_STYLES[state] },
    // What the list is ordered by.
    dateAndTime(started_at ?? queued_at),
    waited_ms === null ? '-' : duration(waited_ms),
    took_ms === null ? '-' : duration(took_ms),
  ]
}

/** Operators type a site's alias as drush does, with its `@`. */
function contextName(name: string): string {
  return name.replace(/^@/, '')
}

function noSuchObject(name: string): SkynetError {
  return new SkynetError('FAILED', `There is no site, platform or server “${printable(name)}”.`, {
    remedy:
      "It is named as in Aegir, or by its drush alias: skynet tasks shows the names of the latest tasks' objects.",
  })
}
