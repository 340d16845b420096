import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'node-cron'
import { CronTimes } from '../../src/daemon/schedule/cron-times.js'
import { zoneName } from '../../src/daemon/schedule/zone-clock.js'

const MINUTE = 60_000

/** The due times of an expression between two moments, as UTC without the seconds. */
function due(expression: string, timeZone: string, from: string, to: string): string[] {
  const times = new CronTimes(expression, timeZone)
  const found: string[] = []
  let at = times.next(Date.parse(from))
  for (; at !== undefined && at < Date.parse(to); at = times.next(at))
    found.push(new Date(at).toISOString().slice(5, 16))
  return found
}

// In Berlin the clocks go from 02:00 to 03:00 at 01:00 UTC on 28 March 2027, and back at 01:00 UTC on 31 October 2027.
const SPRING = ['2027-03-28T00:00Z', '2027-03-28T03:00Z'] as const
const AUTUMN = ['2027-10-30T23:00Z', '2027-10-31T03:00Z'] as const

describe('due times across changes of the clocks', () => {
  test('a time that is skipped is due when the clocks are set forward', () => {
    assert.deepEqual(due('30 2 * * *', 'Europe/Berlin', ...SPRING), ['03-28T01:00'])
    assert.deepEqual(due('30 2 * * *', 'Europe/Berlin', '2027-03-27T00:00Z', '2027-03-30T00:00Z'), [
      '03-27T01:30',
      '03-28T01:00',
      '03-29T00:30',
    ])
  })

  test('several skipped times, and the one right behind them, are due once together', () => {
    assert.deepEqual(due('*/10 2 * * *', 'Europe/Berlin', ...SPRING), ['03-28T01:00'])
    assert.deepEqual(due('0 2,3 * * *', 'Europe/Berlin', ...SPRING), ['03-28T01:00'])
  })

  test('of a time that comes twice, the first counts', () => {
    assert.deepEqual(due('30 2 * * *', 'Europe/Berlin', ...AUTUMN), ['10-31T00:30'])
    assert.deepEqual(due('0,30 2,3 * * *', 'Europe/Berlin', ...AUTUMN), [
      '10-31T00:00',
      '10-31T00:30',
      '10-31T02:00',
      '10-31T02:30',
    ])
    // Also for who begins to look within the second hour.
    assert.deepEqual(due('30 2 * * *', 'Europe/Berlin', '2027-10-31T01:10Z', '2027-10-31T03:00Z'), [])
  })

  test('what is to be run every hour goes on in its rhythm, in both directions', () => {
    const half = (from: string, to: string) => due('*/30 * * * *', 'Europe/Berlin', from, to)
    assert.deepEqual(half('2027-03-28T00:00Z', '2027-03-28T02:01Z'), [
      '03-28T00:30',
      '03-28T01:00',
      '03-28T01:30',
      '03-28T02:00',
    ])
    assert.deepEqual(half('2027-10-31T00:00Z', '2027-10-31T02:01Z'), [
      '10-31T00:30',
      '10-31T01:00',
      '10-31T01:30',
      '10-31T02:00',
    ])
    assert.equal(due('* * * * *', 'Europe/Berlin', ...SPRING).length, 3 * 60 - 1)
    assert.equal(due('* * * * *', 'Europe/Berlin', ...AUTUMN).length, 4 * 60 - 1)
  })

  test('so it is through a whole year, once a day and once a minute', () => {
    const [from, to] = ['2026-12-31T23:00Z', '2027-12-31T22:59:59Z']
    assert.equal(due('30 2 * * *', 'Europe/Berlin', from, to).length, 365)
    assert.equal(due('0 * * * *', 'Europe/Berlin', from, to).length, 365 * 24 - 1)
  })

  test('zones that change by half an hour, at midnight, or skip a day', () => {
    assert.deepEqual(due('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', '2026-10-04T12:00Z'), [
      '10-03T15:30',
    ])
    assert.deepEqual(due('0 0 * * *', 'America/Havana', '2027-03-13T12:00Z', '2027-03-15T12:00Z'), [
      '03-14T05:00',
      '03-15T04:00',
    ])
    assert.deepEqual(due('0 12 * * *', 'Pacific/Apia', '2011-12-29T12:00Z', '2011-12-31T12:00Z'), [
      '12-29T22:00',
      '12-30T10:00',
      '12-30T22:00',
    ])
  })
})

describe('due times', () => {
  test('are those of cron, at whole seconds behind the moment asked from', () => {
    assert.deepEqual(due('0 3 * * 1', 'UTC', '2026-11-20T00:00Z', '2026-12-02T00:00Z'), ['11-23T03:00', '11-30T03:00'])
    const times = new CronTimes('*/10 * * * * *', 'UTC')
    assert.equal(times.next(Date.parse('2026-11-20T00:00:10.000Z')), Date.parse('2026-11-20T00:00:20Z'))
    assert.equal(times.next(Date.parse('2026-11-20T00:00:09.999Z')), Date.parse('2026-11-20T00:00:10Z'))
    assert.equal(new CronTimes('@daily', 'UTC').list(0, 5).length, 5)
  })

  test('of days that only node-cron knows: the last one, the second Tuesday, the nearest weekday', () => {
    const [from, to] = ['2026-11-20T00:00Z', '2027-01-05T00:00Z']
    assert.deepEqual(due('0 4 L * *', 'UTC', from, to), ['11-30T04:00', '12-31T04:00'])
    assert.deepEqual(due('0 4 * * 2#2', 'UTC', from, to), ['12-08T04:00'])
    assert.deepEqual(due('0 4 15W * *', 'UTC', from, to), ['12-15T04:00'])
    assert.deepEqual(due('0 4 * jan 7', 'UTC', from, to), ['01-03T04:00'])
  })

  test('come from as far as a leap day on a Monday, and may be none', () => {
    assert.equal(
      new Date(new CronTimes('0 0 29 2 1', 'UTC').next(Date.parse('2026-01-01')) ?? 0).getUTCFullYear(),
      2044,
    )
    // Valid, because each of the fields is; February never has a fifth Monday on the 1st.
    assert.equal(new CronTimes('0 0 1 2 1#5', 'UTC').next(Date.parse('2026-01-01')), undefined)
    assert.deepEqual(new CronTimes('0 0 1 2 1#5', 'UTC').list(0, 5), [])
  })

  test('equal what a look at the clock, minute by minute, finds', () => {
    const field = (least: number, most: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
        fc
          .uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 })
          .map((list) => list.join(',')),
      )
    const changes = fc.constantFrom(
      { timeZone: 'Europe/Berlin', around: '2027-03-28T01:00Z' },
      { timeZone: 'Europe/Berlin', around: '2027-10-31T01:00Z' },
      { timeZone: 'America/New_York', around: '2027-03-14T07:00Z' },
      { timeZone: 'America/New_York', around: '2027-11-07T06:00Z' },
      { timeZone: 'Australia/Lord_Howe', around: '2027-04-03T15:00Z' },
      { timeZone: 'America/Havana', around: '2027-11-07T05:00Z' },
      { timeZone: 'Asia/Kolkata', around: '2027-11-07T05:00Z' },
    )
    const hours = fc.oneof(fc.constant('*'), field(0, 4))
    fc.assert(
      fc.property(field(0, 59), hours, changes, fc.integer({ min: 0, max: 300 }), (minute, hour, change, start) => {
        const expression = `${minute} ${hour} * * *`
        const from = Date.parse(change.around) + (start - 150) * MINUTE
        const found = new CronTimes(expression, change.timeZone).list(from, 6)
        assert.deepEqual(found, minuteByMinute(expression, change.timeZone, from, found.length))
      }),
      { numRuns: 150 },
    )
  })
})

/** The same by brute force: what the clock shows at each minute, and what it has shown before. */
function minuteByMinute(expression: string, timeZone: string, from: number, count: number): number[] {
  const fields = parse(expression)
  const [minutes, hours] = [new Set(fields.minute), new Set(fields.hour)]
  const fits = (wall: number) => minutes.has((wall / MINUTE) % 60) && hours.has(Math.floor(wall / (60 * MINUTE)) % 24)
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })
  const wallAt = (at: number) => Date.parse(`${format.format(at).replace(' ', 'T')}Z`)
  const found: number[] = []
  const start = from - 26 * 60 * MINUTE
  let shown = wallAt(start)
  for (let at = start; found.length < count; at += MINUTE) {
    const wall = wallAt(at)
    let isDue = false
    for (let each = hours.size === 24 ? wall : shown + MINUTE; each <= wall; each += MINUTE) isDue ||= fits(each)
    shown = Math.max(shown, wall)
    if (isDue && at > from) found.push(at)
  }
  return found
}

describe('the name of a time zone', () => {
  test('is the configured one; without one the machine’s, as TZ says', (t) => {
    const { TZ } = process.env
    t.after(() => {
      if (TZ === undefined) delete process.env['TZ']
      else process.env['TZ'] = TZ
    })
    process.env['TZ'] = 'Atlantic/Azores'
    assert.equal(zoneName(null), 'Atlantic/Azores')
    for (const none of ['', 'GMT+3', 'Nowhere/Atall']) {
      process.env['TZ'] = none
      assert.equal(zoneName(null), 'UTC', none)
    }
    assert.equal(zoneName('Europe/Berlin'), 'Europe/Berlin')
  })
})
