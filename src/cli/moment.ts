import { parseDuration } from '../config/quantity.js'
import { SkynetError } from '../config/skynet-error.js'
import { printable } from '../observe/printable.js'

/** A point of time on the command line: how long ago (`2h`, `7d`) or a date. @throws SkynetError USAGE */
export function parseSince(text: string, now: number): number {
  const ago = parseDuration(text)
  if (ago !== null) return now - ago
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new SkynetError('USAGE', `“${printable(text).slice(0, 40)}” is no point of time.`, {
    remedy: 'Say how long ago (30m, 2h, 7d), or a date (2026-11-20, 2026-11-20T22:00).',
  })
}

/** `2026-11-20 22:46:08`, in local time: what people compare with their clocks and logs. */
export function dateAndTime(at: number): string {
  const date = new Date(at)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${timeOfDay(at)}`
}

/** `22:46:08`, in local time. */
export function timeOfDay(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}
