import type { ScheduledCommand } from '../daemon/schedule/schedule-view.js'
import { overlongFrom } from '../daemon/overlong-runs.js'
import type { RunningStatus, Status } from '../daemon/status.js'
import type { UsualDuration } from '../daemon/usual-durations.js'
import { nameTasks } from '../scheduler/reason.js'
import { duration } from './duration.js'
import type { Screen, Style } from './screen.js'
import {
  FIXED,
  NAMED,
  RIGHT,
  SHRINKING,
  indentedTable,
  labelled,
  named,
  namedCells,
  type View,
} from './status-layout.js'
import { waiting } from './status-waiting.js'
import type { Cell } from './table.js'

/** Columns of the bar that shows how far a run has come, and of the one on a screen that is not roomy. */
const BAR = 20
const SHORT_BAR = 10
const ROOMY = 100

/** No run is late before, in milliseconds. */
const LATE = 10_000

/**
 * The status as one screen for a person, line by line; no line is wider than the screen, unless a path is. Each section
 * is a function of its own; one that has nothing to say has no lines.
 */
export function statusLines(status: Status, screen: Screen, { progress = false } = {}): string[] {
  const view: View = { status, screen, now: status.started_at + status.uptime_ms, progress }
  return [daemon, hindrances, running, waiting, troubled, failures, schedule, remarks].flatMap((section) =>
    section(view),
  )
}

function daemon(view: View): string[] {
  const { status, screen, now } = view
  const { role, health, database, version, pid, host } = status
  const name = screen.paint(role === 'leader' || role === 'standby' ? 'green' : 'yellow', role)
  const concerns = health.concerns.length === 0 ? '' : `: ${health.concerns.join(', ')}`
  const isConnected = database.state === 'connected'
  const error = database.error === null ? '' : `: ${database.error}`
  return [
    ...labelled(
      view,
      'Skynet',
      `${name} on ${host}, process ${pid}, version ${version}, up ${duration(status.uptime_ms)}`,
    ),
    ...labelled(view, 'Health', `${health.state}${concerns}`, health.state === 'healthy' ? 'green' : 'red'),
    ...status.standbys.flatMap((standby) =>
      labelled(view, 'Standby', `process ${standby.pid}, for ${duration(now - standby.since)}`),
    ),
    ...labelled(
      view,
      'Database',
      `${database.name}, ${screen.paint(isConnected ? 'green' : 'red', database.state)} for ${duration(now - database.since)}${error}`,
    ),
  ]
}

function hindrances(view: View): string[] {
  const { status, now } = view
  return [
    ...status.paused.flatMap((pause) => labelled(view, 'Paused', pausedBy(pause, now), 'yellow')),
    ...status.paused_tasks.flatMap((pause) =>
      labelled(view, 'Paused', `${nameTasks(pause)} ${pausedBy(pause, now)}`, 'yellow'),
    ),
    ...status.hindrances.flatMap(({ message, since }) =>
      labelled(view, 'Hindrance', `${message} (for ${duration(now - since)})`, 'red'),
    ),
  ]
}

function pausedBy({ by, since, until, reason }: Status['paused'][number], now: number): string {
  const age = since > 0 ? ` for ${duration(now - since)}` : ''
  const end = until === null ? '' : `, ${duration(until - now)} more`
  return `by ${by}${age}${end}${reason === '' ? '' : `: ${reason}`}`
}

function running(view: View): string[] {
  const { running: runs, foreign, slots } = view.status
  const rows = runs.map((run): Cell[] => [
    ...namedCells(run),
    duration(run.age_ms),
    view.progress ? bar(run, view.screen.width < ROOMY ? SHORT_BAR : BAR) : usually(run),
    noteOn(run),
  ])
  const others = foreign.map((task): Cell[] => {
    return [...namedCells(task), '', '', task.pid === 0 ? 'foreign' : `foreign: process ${task.pid}`]
  })
  return [
    ...labelled(view, 'Running', `${runs.length} of ${slots} ${slots === 1 ? 'slot' : 'slots'}`),
    ...indentedTable(view, [...NAMED, RIGHT, FIXED, SHRINKING], [...rows, ...others]),
  ]
}

/** How far a run has come, by what is usual; one that takes longer than usual has a full bar and more than 100 %. */
function bar({ age_ms, usual }: RunningStatus, length: number): Cell {
  if (usual === null) return ''
  const part = age_ms / usual.median_ms
  const full = Math.min(length, Math.floor(part * length))
  const percent = String(Math.min(999, Math.floor(part * 100))).padStart(3)
  const text = `${'█'.repeat(full)}${'░'.repeat(length - full)} ${percent} % of ${duration(usual.median_ms)}`
  return { text, style: styleOf(age_ms, usual) }
}

function usually({ usual }: RunningStatus): Cell {
  return usual === null ? '' : `usually ${duration(usual.median_ms)}`
}

/** What is to be said of a run besides its age. */
function noteOn({ age_ms, usual, state, cancelled_by }: RunningStatus): Cell {
  if (cancelled_by !== null) return { text: `cancelled by ${cancelled_by}`, style: 'yellow' }
  const note = STATES[state]
  if (note !== '') return note
  if (usual === null || !isLate(age_ms, usual)) return ''
  return { text: `late: seldom over ${duration(usual.p95_ms)}`, style: styleOf(age_ms, usual) }
}

const STATES: Record<RunningStatus['state'], string> = {
  starting: 'starting',
  running: '',
  orphaned: 'orphaned: drush is gone, its backend goes on',
  ended: 'ended, being settled',
}

function styleOf(age: number, usual: UsualDuration): Style {
  if (age >= overlongFrom(usual)) return 'red'
  return isLate(age, usual) ? 'yellow' : 'green'
}

/** Whether it takes longer than nearly all others did: of some seconds nobody wants to be told. */
function isLate(age: number, { p95_ms }: UsualDuration): boolean {
  return age > Math.max(p95_ms, LATE)
}

/** What somebody has to see to. */
function troubled(view: View): string[] {
  const { parked, stuck } = view.status
  return [
    ...parked.flatMap(({ nid, type, object, attempts, until, reason }) => {
      const times = attempts === 1 ? 'attempt' : 'attempts'
      const again = `${attempts} ${times}, again in ${duration(until - view.now)}`
      return labelled(view, 'Parked', `${named({ nid, type, object })}, ${again}: ${reason}`, 'yellow')
    }),
    ...stuck.flatMap((task) =>
      labelled(view, 'Stuck', `${named(task)} is processing, but no process of it is alive`, 'yellow'),
    ),
  ]
}

function failures(view: View): string[] {
  const { failures: failed } = view.status
  if (failed.length === 0) return []
  const rows = failed.map(({ nid, type, object, at, reason }): Cell[] => [
    ...namedCells({ nid, type, object }),
    `${duration(view.now - at)} ago`,
    reason ?? '',
  ])
  return [
    ...labelled(view, 'Failures', failed.length === 1 ? 'the last one' : `the last ${failed.length}`),
    ...indentedTable(view, [...NAMED, RIGHT, SHRINKING], rows),
  ]
}

function schedule(view: View): string[] {
  const { commands, held } = view.status.schedule
  if (commands.length === 0) return []
  const rows = commands.map((command): Cell[] => [
    command.name,
    command.expression,
    lastOf(command, view),
    nextOf(command, view),
  ])
  const count = `${commands.length} ${commands.length === 1 ? 'command' : 'commands'}`
  return [
    ...labelled(view, 'Schedule', held === null ? count : `${count}; ${held}`),
    ...indentedTable(view, [SHRINKING, FIXED, FIXED, FIXED], rows),
  ]
}

function lastOf({ last }: ScheduledCommand, { now }: View): Cell {
  if (last === null) return 'never run'
  const { outcome, ended_at, due_at } = last
  const text = `${outcome ?? 'ended unseen'} ${duration(now - (ended_at ?? due_at))} ago`
  return outcome === 'success' ? text : { text, style: 'red' }
}

function nextOf({ running, due_since, next: [next] }: ScheduledCommand, { now }: View): Cell {
  if (running) return `running for ${duration(now - running.since)}`
  if (due_since !== null) return { text: `due for ${duration(now - due_since)}`, style: 'yellow' }
  return next === undefined ? { text: 'never again', style: 'yellow' } : `next in ${duration(next - now)}`
}

function remarks(view: View): string[] {
  const { untouchable_records, last_error } = view.status
  return [
    ...untouchable_records.flatMap(({ run, reason }) =>
      labelled(view, 'Record', `${run} is left alone: ${reason}`, 'yellow'),
    ),
    ...(last_error ? labelled(view, 'Error', `${duration(view.now - last_error.at)} ago: ${last_error.message}`) : []),
  ]
}
