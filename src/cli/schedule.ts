import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { CronTimes } from '../daemon/schedule/cron-times.js'
import { ScheduleBook } from '../daemon/schedule/schedule-book.js'
import { NO_RUNS, scheduleView, type ScheduledCommand, type ScheduleView } from '../daemon/schedule/schedule-view.js'
import { ScheduledRunStore } from '../daemon/schedule/scheduled-run.js'
import { zoneName } from '../daemon/schedule/zone-clock.js'
import type { Status } from '../daemon/status.js'
import { ProcessTable } from '../runner/process-table.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'
import { screenOf, wrap, type Screen } from './screen.js'
import { duration } from './duration.js'

interface ScheduleOptions {
  config_file?: string
  json?: boolean
}

interface ShownSchedule extends ScheduleView {
  daemon: 'running' | 'not running'
  /** The moment that all of this is told for. */
  now: number
}

/** `skynet schedule`: what is run at its times, when next, and how it went last. @throws SkynetError */
export async function schedule(options: ScheduleOptions, context: VerbContext): Promise<number> {
  const shown = (await fromDaemon(options, context)) ?? (await fromDisk(options, context))
  if (options.json) {
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`)
    return 0
  }
  if (shown.daemon === 'not running') {
    process.stderr.write('The daemon is not running; nothing is started until it is.\n')
  }
  process.stdout.write(`${describe(shown, screenOf(process.stdout, context.environment)).join('\n')}\n`)
  return 0
}

async function fromDaemon(
  { config_file }: ScheduleOptions,
  { environment }: VerbContext,
): Promise<ShownSchedule | undefined> {
  try {
    const socket = await controlSocket(config_file, environment)
    const status = (await askDaemon(socket, { verb: 'status' })) as Partial<Status>
    // A daemon that is older than this verb runs no schedule.
    if (status.schedule) {
      return { daemon: 'running', now: (status.started_at ?? 0) + (status.uptime_ms ?? 0), ...status.schedule }
    }
    throw new SkynetError('FAILED', 'The daemon that runs is of an older version, which knows no schedule.', {
      remedy: 'Restart it: supervisorctl restart skynet-queue',
    })
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return undefined
    throw error
  }
}

async function fromDisk({ config_file }: ScheduleOptions, { environment }: VerbContext): Promise<ShownSchedule> {
  const { config } = await loadConfig({ file: config_file, environment })
  const timeZone = zoneName(config.cron.time_zone)
  const now = Date.now()
  const view = scheduleView({
    schedule: config.schedule,
    timeZone,
    timesOf: (expression) => new CronTimes(expression, timeZone),
    // Only a daemon makes these folders: whoever asks may be another user.
    store: existsSync(join(config.state.dir, 'schedule')) ? new ScheduledRunStore(config.state.dir) : NO_RUNS,
    book: new ScheduleBook(config.state.dir),
    processes: new ProcessTable(),
    now,
    held: null,
  })
  return { daemon: 'not running', now, ...view }
}

/** One screen for a person. */
export function describe({ time_zone, now, held, daemon, commands }: ShownSchedule, screen: Screen): string[] {
  if (commands.length === 0) {
    return wrap(
      'Nothing is scheduled. What is to be run stands in [schedule] of local.skynet.conf: hosting-dispatch = * * * * *',
      screen.width,
    )
  }
  const moment = momentIn(time_zone)
  const lines = [`Time zone ${time_zone}, now ${moment(now)}`]
  const say = (label: string, text: string): void => {
    const [first = '', ...others] = wrap(text, screen.width - LABEL)
    lines.push(`  ${label.padEnd(LABEL - 2)}${first}`, ...others.map((line) => ' '.repeat(LABEL) + line))
  }
  for (const command of commands) {
    lines.push('', `${screen.paint('bold', command.name)}  ${command.expression}`)
    const { running, due_since, next } = command
    if (running) {
      const note = running.state === 'orphaned' ? ', drush is gone and its backend still works' : ''
      say('running', `for ${duration(now - running.since)}, process ${running.pid ?? '-'}${note}`)
    }
    if (due_since !== null) {
      const why = daemon === 'running' ? (held ?? 'It starts now.') : 'It is run once when the daemon is back.'
      say('due', screen.paint('yellow', `since ${moment(due_since)}. ${why}`))
    }
    say('last', lastOf(command, moment, screen))
    if (next.length === 0) say('next', screen.paint('yellow', 'never: no day fits'))
    for (const [index, at] of next.entries()) say(index === 0 ? 'next' : '', moment(at))
  }
  return lines
}

/** Columns before what is said of a command. */
const LABEL = 11

function lastOf({ last }: ScheduledCommand, moment: (at: number) => string, screen: Screen): string {
  if (!last) return 'it has not run yet'
  const { outcome, started_at, ended_at, due_at, exit_code, signal, output } = last
  const took = started_at === null || ended_at === null ? '' : ` in ${duration(ended_at - started_at)}`
  const how = exit_code !== null ? `, exit status ${exit_code}` : signal !== null ? `, ended by signal ${signal}` : ''
  const due = `, due ${moment(due_at)}`
  switch (outcome) {
    case 'success':
      return `${screen.paint('green', 'success')}${took}${due}`
    case 'outage':
      return `${screen.paint('yellow', 'drush did not work')}${how}${due}; it is run again`
    default:
      return `${screen.paint('red', 'error')}${took}${how}${due}; what drush printed: ${output}`
  }
}

/** `Wed 2026-11-25 17:30 CET`; with seconds where they are not 0. */
function momentIn(timeZone: string): (at: number) => string {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  })
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    const { weekday, year, month, day, hour, minute, second, timeZoneName } = parts
    const time = `${hour}:${minute}${second === '00' ? '' : `:${second}`}`
    return `${weekday} ${year}-${month}-${day} ${time} ${timeZoneName}`
  }
}
