import { styleText } from 'node:util'
import { askDaemon } from '../daemon/control-client.js'
import type { Status } from '../daemon/status.js'
import { nameTasks } from '../scheduler/plan.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'

export async function status(options: { config_file?: string; json?: boolean }, context: VerbContext): Promise<number> {
  const socket = await controlSocket(options.config_file, context.environment)
  const answer = (await askDaemon(socket, { verb: 'status' })) as Status
  const { isTTY, columns } = process.stdout
  // By its convention (no-color.org) an empty NO_COLOR says nothing.
  const screen = isTTY ? { colour: !context.environment['NO_COLOR'], width: columns } : {}
  process.stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : `${describe(answer, screen)}\n`)
  return isHealthy(answer) ? 0 : 1
}

/** Healthy: connected, leading or standing by, and nothing that an operator should see to. */
export function isHealthy(status: Status): boolean {
  const { role, database, hindrances, stuck, parked } = status
  const isUp = role === 'leader' || role === 'standby' || role === 'disabled'
  return isUp && database.state === 'connected' && hindrances.length + stuck.length + parked.length === 0
}

/** One screen for a person; a task whose reason does not fit into the width has it on a line of its own. */
export function describe(
  status: Status,
  { colour = false, width = Number.POSITIVE_INFINITY }: { colour?: boolean; width?: number } = {},
): string {
  const paint = (style: 'green' | 'yellow' | 'red' | 'bold', text: string): string =>
    colour ? styleText(style, text) : text
  const now = status.started_at + status.uptime_ms
  const age = (since: number): string => duration(now - since)
  const lines: string[] = []
  const say = (label: string, text: string): void => void lines.push(`${`${label}:`.padEnd(11)}${text}`)

  const role =
    status.role === 'leader' || status.role === 'standby' ? paint('green', status.role) : paint('yellow', status.role)
  const { version, pid, host, database } = status
  say('Skynet', `${role} on ${host}, process ${pid}, version ${version}, up ${duration(status.uptime_ms)}`)
  for (const standby of status.standbys) say('Standby', `process ${standby.pid}, for ${age(standby.since)}`)
  const state = database.state === 'connected' ? paint('green', 'connected') : paint('red', database.state)
  say(
    'Database',
    `${database.name}, ${state} for ${age(database.since)}${database.error === null ? '' : `: ${database.error}`}`,
  )
  for (const { by, since, until, reason } of status.paused) {
    const end = until === null ? '' : `, ${duration(until - now)} more`
    const text = `by ${by}${since > 0 ? ` for ${age(since)}` : ''}${end}${reason === '' ? '' : `: ${reason}`}`
    say('Paused', paint('yellow', text))
  }
  for (const { type, object, by, since, until, reason } of status.paused_tasks) {
    const end = until === null ? '' : `, ${duration(until - now)} more`
    const text = `${nameTasks({ type, object })} by ${by} for ${age(since)}${end}${reason === '' ? '' : `: ${reason}`}`
    say('Paused', paint('yellow', text))
  }
  for (const { message, since } of status.hindrances) say('Hindrance', paint('red', `${message} (for ${age(since)})`))

  say('Running', `${status.running.length} of ${status.slots} ${status.slots === 1 ? 'slot' : 'slots'}`)
  for (const run of status.running) {
    const note = run.state === 'running' ? '' : ` (${run.state})`
    const end = run.cancelled_by === null ? '' : `, being ended: cancelled by ${run.cancelled_by}`
    lines.push(`  ${run.nid}  ${name(run)}  for ${duration(run.age_ms)}, process ${run.pid ?? '-'}${note}${end}`)
  }
  for (const task of status.foreign) lines.push(`  ${task.nid}  ${name(task)}  by somebody else, process ${task.pid}`)

  const { count, oldest_since, next } = status.waiting
  say('Waiting', oldest_since === null ? '0' : `${count}, the oldest for ${age(oldest_since)}`)
  for (const task of next) {
    const head = `  ${task.nid}  ${name(task)}`
    lines.push(
      head.length + 2 + task.reason.length > width ? `${head}\n      ${task.reason}` : `${head}  ${task.reason}`,
    )
  }
  if (count > next.length) lines.push(`  … and ${count - next.length} more`)
  for (const task of status.parked) {
    say(
      'Parked',
      paint('yellow', `${task.nid}, ${task.attempts} attempts, again in ${duration(task.until - now)}: ${task.reason}`),
    )
  }
  for (const task of status.stuck) {
    say('Stuck', paint('yellow', `${task.nid}  ${name(task)}  is processing, but no process of it is alive`))
  }
  for (const { name: command, running, due_since, last, next } of status.schedule.commands) {
    const present = running ? `runs for ${age(running.since)}` : due_since === null ? '' : `due for ${age(due_since)}`
    const before = last ? `last ${last.outcome ?? 'unknown'} ${age(last.ended_at ?? last.due_at)} ago` : ''
    const then = next[0] === undefined ? '' : `next in ${duration(next[0] - now)}`
    say('Schedule', `${command}  ${[present, before, then].filter((part) => part !== '').join(', ')}`)
  }
  for (const { run, reason } of status.untouchable_records)
    say('Record', paint('yellow', `${run} is left alone: ${reason}`))
  if (status.last_error) say('Last error', `${age(status.last_error.at)} ago: ${status.last_error.message}`)
  return lines.join('\n')
}

function name({ type, object }: { type: string; object: string }): string {
  return `${type === '' ? '(no type)' : type} ${object === '' ? '(no object)' : object}`
}

/** `42 s`, `5 min`, `3 h`, `2 d`: what a person wants to know of it. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
