import type { DaemonEvent } from './event.js'

/** What a notification's JSON holds besides event, time, host, database and message. */
type Details = Record<string, unknown>

export interface Notification {
  event: string
  /** One English sentence or two; names in it are printable. */
  message: string
  details: Details
}

/** What is told of an event; undefined for those that nobody is told of. */
export function notificationOf(event: DaemonEvent): Notification | undefined {
  switch (event.kind) {
    case 'polled':
    case 'task started':
      return undefined
    case 'task settled': {
      const { task, outcome, givenUp, duration, exitCode, signal } = event
      if (outcome !== 'error' && !givenUp) return undefined
      const after = duration === null ? '' : ` after ${span(duration)}`
      const message = givenUp
        ? `${name(task)} was given up: drush was started for it again and again and never began it.`
        : `${name(task)} failed${after}. See: skynet show ${task.nid}`
      return notification('task_failed', message, { task, duration_ms: duration, exit_code: exitCode, signal })
    }
    case 'task parked': {
      const { task, attempt, until, reason } = event
      const message = `${name(task)} is parked until ${time(until)}: ${reason} (attempt ${attempt}).`
      return notification('task_parked', message, { task, attempt, until: time(until), reason })
    }
    case 'task overlong': {
      const { task, age, usual } = event
      const message =
        `${name(task)} has been running for ${span(age)}; of 20 tasks of this type, 19 take at most ${span(usual)}. ` +
        'It goes on; see whether it hangs.'
      return notification('task_overlong', message, { task, age_ms: age, usual_p95_ms: usual })
    }
    case 'leadership changed': {
      const { leads, reason } = event
      const message = leads ? 'This daemon leads now.' : `This daemon does not lead any more: ${reason ?? ''}.`
      return notification('leadership_changed', message, { leads, reason })
    }
    case 'database lost': {
      const message = `The database is not usable; nothing is started until it is: ${event.error}`
      return notification('database_lost', message, { error: event.error })
    }
    case 'database back': {
      const message = `The database is usable again, after ${span(event.duration)}.`
      return notification('database_back', message, { duration_ms: event.duration })
    }
    case 'queue late': {
      const { waiting, oldest, age, reason } = event
      const message =
        `${name(oldest)} has been waiting for ${span(age)}, the longest of ${waiting} waiting ` +
        `${waiting === 1 ? 'task' : 'tasks'}. ${reason}`
      return notification('queue_late', message, { waiting, oldest, age_ms: age, reason })
    }
    case 'queue in time':
      return notification('queue_in_time', 'No task has been waiting for too long any more.', {
        waiting: event.waiting,
      })
  }
}

function notification(event: string, message: string, details: Details): Notification {
  return { event, message, details }
}

function name({ nid, type, object }: { nid: number; type: string; object: string }): string {
  return `Task ${nid} (${type || 'of no type'}${object === '' ? '' : ` of ${object}`})`
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}

/** `45 s`, `12 min`, `3 h 5 min`. */
function span(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const rest = minutes % 60
  return `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`
}
