import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check } from '../sandbox/conflict-checker.js'
import type { Fault, Interval } from '../sandbox/conflict-checker.js'
import { SMALL } from './scheduler-world.js'

function interval(nid: number, type: string, rid: number, start: number, end: number, more: Partial<Interval> = {}) {
  return { nid, type, rid, start, end, ...more }
}

function kinds(intervals: Interval[]): Fault['kind'][] {
  return check(intervals, SMALL).map(({ kind }) => kind)
}

test('A clean journal has no faults; one that ends as another begins does not overlap it.', () => {
  assert.deepEqual(kinds([interval(1, 'verify', 10, 0, 5), interval(2, 'backup', 101, 5, 9)]), [])
  assert.deepEqual(kinds([interval(1, 'verify', 10, 0, 5), interval(2, 'backup', 103, 1, 9)]), [])
})

test('It finds overlaps of a platform and its site, of a pack and its member, and with the hostmaster verify.', () => {
  assert.deepEqual(kinds([interval(2, 'backup', 101, 4, 9), interval(1, 'verify', 10, 0, 5)]), ['overlap'])
  assert.deepEqual(kinds([interval(1, 'verify', 6, 0, 5), interval(2, 'backup', 105, 4, 9)]), ['overlap'])
  assert.deepEqual(kinds([interval(1, 'verify', 100, 0, 5), interval(2, 'backup', 105, 4, 9)]), ['overlap'])
})

test('It finds two tasks of one object side by side, and out of their order.', () => {
  assert.deepEqual(kinds([interval(1, 'verify', 101, 0, 5), interval(2, 'verify', 101, 4, 9)]), ['overlap'])
  assert.deepEqual(kinds([interval(1, 'verify', 101, 6, 9), interval(2, 'verify', 101, 0, 5)]), ['out-of-order'])
  const queuedLater = interval(1, 'verify', 101, 6, 9, { changed: 20 })
  assert.deepEqual(kinds([queuedLater, interval(2, 'verify', 101, 0, 5, { changed: 10 })]), [])
})

test('A nested task belongs to the one that started it, and disturbs others.', () => {
  const migrate = interval(1, 'migrate', 101, 0, 9, { arguments: { target_platform: '11' } })
  const nested = interval(2, 'verify', 11, 3, 5, { partOf: 1 })
  assert.deepEqual(kinds([migrate, nested]), [])
  assert.deepEqual(kinds([migrate, nested, interval(3, 'backup', 103, 4, 5)]), ['overlap', 'overlap'])
})

test('It counts runs on a web server and site verifies on a platform.', () => {
  const four = [101, 102, 103].map((rid, i) => interval(i + 1, 'backup', rid, i, 9))
  assert.deepEqual(kinds(four), [])
  assert.deepEqual(kinds([...four, interval(4, 'lock', 12, 4, 9), interval(5, 'backup', 100, 5, 9)]), ['too-many'])
  const verifies = [interval(1, 'verify', 101, 0, 9), interval(2, 'verify', 102, 1, 9)]
  assert.deepEqual(kinds(verifies), [])
  assert.equal(check(verifies, SMALL, { siteVerifiesPerPlatform: 1 })[0]?.kind, 'too-many')
})
