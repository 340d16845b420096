import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimate } from '../../src/scheduler/estimate.js'
import { input, NOW, platform, running, server, site, topology, waiting } from './scheduler-world.js'

const WORLD = topology({
  servers: [...Array(40).keys()].map((i) => server(1 + i)),
  platforms: [...Array(40).keys()].map((i) => platform(101 + i, 1 + i)),
  sites: [...Array(1000).keys()].map((i) => site(1001 + i, 101 + (i % 40), 1 + (i % 40))),
})
const DURATIONS = new Map([
  ['verify', 10],
  ['backup', 20],
])
const queue = (count: number, type = 'verify') =>
  input(
    [...Array(count).keys()].map((i) => waiting(1 + i, type, 1001 + i)),
    { topology: WORLD },
  )

test('With one slot the queue takes the sum of its tasks, with four a quarter where nothing conflicts.', () => {
  assert.deepEqual(estimate(queue(40), DURATIONS, 1), { slots: 1, seconds: 400, played: 40 })
  assert.deepEqual(estimate(queue(40), DURATIONS, 4), { slots: 4, seconds: 100, played: 40 })
})

test('Tasks of one object take their turns however many slots there are.', () => {
  const one = input(
    [1, 2, 3].map((nid) => waiting(nid, 'backup', 1001)),
    { topology: WORLD },
  )
  assert.equal(estimate(one, DURATIONS, 8).seconds, 60)
})

test('What runs already counts for the rest of its time.', () => {
  const world = { ...queue(1), running: [running(9, 'backup', 1001, { startedAt: NOW - 5000 })] }
  assert.equal(estimate(world, DURATIONS, 1).seconds, 25)
})

test('A long queue is played through in part and taken to go on at that pace.', () => {
  assert.deepEqual(estimate(queue(1000), DURATIONS, 4), { slots: 4, seconds: 2500, played: 500 })
})

test('A type without a past takes the usual time, and without any past a minute.', () => {
  assert.equal(estimate(queue(1, 'mystery'), new Map([['verify', 10]]), 1).seconds, 10)
  assert.equal(estimate(queue(1, 'mystery'), new Map([['x', NaN]]), 1).seconds, 60)
})

test('A queue that can never end has no estimate; a pause is taken to be over.', () => {
  assert.equal(estimate(queue(3), DURATIONS, 0).seconds, undefined)
  assert.equal(estimate({ ...queue(3), now: NaN }, DURATIONS, 1).seconds, undefined)
  assert.equal(estimate({ ...queue(3), halted: { kind: 'stopping' } }, DURATIONS, 1).seconds, 30)
})

test('A parked task is waited for.', () => {
  const world = input([waiting(1, 'verify', 1001, { parkedUntil: NOW + 30_000 })], { topology: WORLD })
  assert.equal(estimate(world, DURATIONS, 1).seconds, 40)
})
