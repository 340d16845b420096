import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestCollection } from '../../src/daemon/rest-collection.js'

test('what the start has left is collected once, when nothing has run for nine seconds', () => {
  const time = { now: 0 }
  const collections: number[] = []
  const rest = new RestCollection({ monotonic: () => time.now }, () => collections.push(time.now))
  for (; time.now < 60_000; time.now += 500) rest.look(false)
  assert.deepEqual(collections, [9_000])
})

test('what runs have left is collected four times, nine seconds apart, when there has been none for as long, and not again before the next run', () => {
  const time = { now: 0 }
  const collections: number[] = []
  const rest = new RestCollection({ monotonic: () => time.now }, () => collections.push(time.now))
  const lookUntil = (end: number, isBusy: boolean) => {
    for (; time.now < end; time.now += 500) rest.look(isBusy)
  }
  lookUntil(90_000, true)
  assert.deepEqual(collections, [], 'not while something runs')
  lookUntil(95_000, false)
  lookUntil(96_000, true)
  lookUntil(300_000, false)
  assert.deepEqual(collections, [104_500, 113_500, 122_500, 131_500])
  lookUntil(301_000, true)
  lookUntil(400_000, false)
  assert.equal(collections.length, 8)
})

test('it is V8 that collects', () => {
  const time = { now: 0 }
  const rest = new RestCollection({ monotonic: () => time.now })
  const garbage = new WeakRef({ big: new Array(1000).fill(0) })
  rest.look(true)
  time.now = 10_000
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    rest.look(false)
    assert.equal(garbage.deref(), undefined)
  })
})
