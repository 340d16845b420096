import { createTask, parse, type ScheduledTask } from 'node-cron'
import { ZoneClock } from './zone-clock.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How far ahead a day that fits is looked for: every combination of date and weekday comes within 40 years. */
const HORIZON = 41 * 366 * DAY

/**
 * The due times of a cron expression in a time zone. node-cron says what an expression means; its own next times begin
 * at the system's clock, and leave out what the clocks on the wall skip. So its fields and its matching of days are
 * used here, and the days on which the clocks are changed are as in Debian's cron:
 *
 * - An expression that fits every hour is meant as a rhythm: it is due whenever the clocks on the wall show a time that
 *   fits. An hour that comes twice has its times twice, a skipped one has none.
 * - Any other means times of the day: each is due at the first moment at which the clocks show it or a later one. So a
 *   skipped time is due when the clocks are set forward (several of them together, once), and of an hour that comes
 *   twice only the first counts.
 */
export class CronTimes {
  readonly #zone: ZoneClock
  readonly #matcher: ScheduledTask
  readonly #seconds: number[]
  readonly #minutes: number[]
  readonly #hours: number[]
  readonly #months: Set<number>
  /** undefined where there are others than numbers, such as L or 2#3: those are for node-cron. */
  readonly #daysOfMonth: Set<number> | undefined
  readonly #weekdays: Set<number> | undefined
  readonly #isRhythm: boolean

  /** @param expression one that the schema has accepted. */
  constructor(expression: string, timeZone: string) {
    this.#zone = new ZoneClock(timeZone)
    // Matched against times of the wall, which are numbers as if they were UTC. It is never started, and has no timer.
    this.#matcher = createTask(expression, () => undefined, { timezone: 'UTC' })
    void this.#matcher.destroy()
    const { second, minute, hour, month, dayOfMonth, dayOfWeek } = parse(expression)
    this.#seconds = ascending(second)
    this.#minutes = ascending(minute)
    this.#hours = ascending(hour)
    this.#months = new Set(month)
    this.#daysOfMonth = numbersOf(dayOfMonth)
    this.#weekdays = numbersOf(dayOfWeek)
    this.#isRhythm = this.#hours.length === 24
  }

  /** The first due time after a moment; undefined: there is none. */
  next(after: number): number | undefined {
    // From change to change of the clocks: in between, all clocks on the wall are ahead by the same.
    let at = Math.floor(after / SECOND) * SECOND
    let offset = this.#zone.offset(at)
    let wall = this.#wallFrom(Math.max(at + offset + SECOND, this.#isRhythm ? 0 : this.#shownBefore(at, offset)))
    while (wall !== undefined) {
      const due = Math.max(wall - offset, at)
      const change = this.#zone.changeBetween(at, due)
      if (change === undefined) return due
      at = change
      offset = this.#zone.offset(at)
      if (this.#isRhythm) wall = this.#wallFrom(at + offset)
    }
    return undefined
  }

  /** The next due times after a moment, at most `count`. */
  list(after: number, count: number): number[] {
    const times: number[] = []
    for (let due = this.next(after); due !== undefined && times.length < count; due = this.next(due)) times.push(due)
    return times
  }

  /** All that is earlier on the wall has been shown already: not the moment itself, where the clocks were set back. */
  #shownBefore(at: number, offset: number): number {
    const before = this.#zone.offset(at - DAY)
    if (before <= offset) return 0
    const change = this.#zone.changeBetween(at - DAY, at)
    return change === undefined ? 0 : change + before
  }

  /** The first time on the wall, not before `from`, that the expression fits. */
  #wallFrom(from: number): number | undefined {
    const today = Math.floor(from / DAY) * DAY
    for (let day = today; day < today + HORIZON; day += DAY) {
      if (!this.#isDay(day)) continue
      const time = this.#timeFrom(from - day)
      if (time !== undefined) return day + time
    }
    return undefined
  }

  #isDay(day: number): boolean {
    const date = new Date(day)
    if (!this.#months.has(date.getUTCMonth() + 1)) return false
    if (this.#daysOfMonth?.has(date.getUTCDate()) === false) return false
    if (this.#weekdays?.has(date.getUTCDay()) === false) return false
    if (this.#daysOfMonth && this.#weekdays) return true
    const [hour = 0, minute = 0, second = 0] = [this.#hours[0], this.#minutes[0], this.#seconds[0]]
    return this.#matcher.match(new Date(day + hour * HOUR + minute * MINUTE + second * SECOND))
  }

  /** The first time of the day that fits, not before `from`. */
  #timeFrom(from: number): number | undefined {
    for (const hour of this.#hours) {
      if ((hour + 1) * HOUR <= from) continue
      for (const minute of this.#minutes) {
        const start = hour * HOUR + minute * MINUTE
        if (start + MINUTE <= from) continue
        const second = this.#seconds.find((each) => start + each * SECOND >= from)
        if (second !== undefined) return start + second * SECOND
      }
    }
    return undefined
  }
}

function ascending(values: number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b)
}

function numbersOf(values: (number | string)[]): Set<number> | undefined {
  const numbers = values.filter((value) => typeof value === 'number')
  return numbers.length === values.length ? new Set(numbers) : undefined
}
