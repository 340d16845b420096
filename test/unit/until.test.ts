import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUntil } from '../../src/cli/until.js'

const NOW = new Date(2026, 10, 25, 17, 0).getTime()

test('an end is a duration from now, the next such time of day, or a date and time', () => {
  const cases: [string, number][] = [
    ['30m', NOW + 1_800_000],
    ['2h', NOW + 7_200_000],
    ['18:00', new Date(2026, 10, 25, 18, 0).getTime()],
    ['9:30', new Date(2026, 10, 26, 9, 30).getTime()],
    ['17:00', new Date(2026, 10, 26, 17, 0).getTime()],
    ['2026-12-01T06:00', new Date(2026, 11, 1, 6, 0).getTime()],
    ['2026-12-01 06:00:30', new Date(2026, 11, 1, 6, 0, 30).getTime()],
    ['2026-12-01T06:00Z', Date.UTC(2026, 11, 1, 6, 0)],
  ]
  for (const [text, at] of cases) assert.equal(parseUntil(text, NOW), at, text)
})

test('what is no time, is past, or more than a year ahead, is refused', () => {
  for (const text of [
    '',
    'soon',
    '25:00',
    '18:60',
    '0s',
    '2026-11-25',
    '2026-13-01T00:00',
    '2026-11-25T16:59',
    '400d',
  ]) {
    assert.throws(() => parseUntil(text, NOW), { code: 'USAGE' }, text)
  }
})
