import { parseDuration } from '../config/quantity.js'
import { SkynetError } from '../config/skynet-error.js'

/** No pause is meant to end later than this by itself, in milliseconds: a year. */
const LATEST = 366 * 86_400_000

/**
 * When something is to end: `2h` from now, `18:00` (the next one, by the clock of this machine), or a date and time such
 * as `2026-12-01T06:00` or `2026-12-01T06:00Z`. @returns milliseconds since 1970. @throws SkynetError USAGE
 */
export function parseUntil(text: string, now: number): number {
  const at = momentOf(text.trim(), now)
  if (at === undefined || Number.isNaN(at)) {
    throw usage(`“${text.slice(0, 40)}” is no time`)
  }
  if (at <= now) throw usage(`${new Date(at).toISOString()} is in the past`)
  if (at - now > LATEST) throw usage(`${new Date(at).toISOString()} is more than a year ahead`)
  return at
}

function momentOf(text: string, now: number): number | undefined {
  const duration = parseDuration(text)
  if (duration !== null) return now + duration
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (clock) {
    const at = new Date(now)
    at.setHours(Number(clock[1]), Number(clock[2]), 0, 0)
    // The next day by the calendar: it may have 23 or 25 hours.
    if (at.getTime() <= now) at.setDate(at.getDate() + 1)
    return at.getTime()
  }
  return /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?$/.test(text) ? Date.parse(text) : undefined
}

function usage(what: string): SkynetError {
  return new SkynetError('USAGE', `${what}.`, {
    remedy: 'Say how long (30m, 2h, 1d), a time of day (18:00), or a date and time (2026-12-01T06:00).',
  })
}
