import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SelfCheck } from '../../src/daemon/self-check.js'

/** A check whose time and database the test moves; polls are due every second. */
function selfCheck() {
  const world = { now: 0, answers: true, asked: 0 }
  const check = new SelfCheck({
    limits: { late: 10_000, patience: 60_000 },
    interval: () => 1_000,
    answers: () => {
      world.asked += 1
      return Promise.resolve(world.answers)
    },
    now: () => world.now,
  })
  /** Looks every ten seconds up to a time. @returns when it said that the daemon is stuck, if it did. */
  const upTo = async (end: number): Promise<number | undefined> => {
    while (world.now < end) {
      world.now += 10_000
      if (await check.look()) return world.now
    }
    return undefined
  }
  return { world, check, upTo }
}

test('while polls are completed the database is not even asked', async () => {
  const { world, check, upTo } = selfCheck()
  for (let end = 10_000; end <= 600_000; end += 10_000) {
    check.polled()
    assert.equal(await upTo(end), undefined)
  }
  assert.equal(world.asked, 0)
})

test('a daemon without a completed poll is stuck once the database has answered for a minute', async () => {
  const { upTo } = selfCheck()
  assert.equal(await upTo(600_000), 80_000)
})

test('polls are fresh from the first one on until one stays out; the daemon is suspected when the database answers then', async () => {
  const { world, check, upTo } = selfCheck()
  assert.equal(check.isFresh, false)
  check.polled()
  assert.equal(check.isFresh, true)
  world.now = 10_999
  assert.equal(check.isFresh, true)
  world.answers = false
  await upTo(20_000)
  assert.deepEqual([check.isFresh, check.suspectsUs], [false, false])
  world.answers = true
  await upTo(40_000)
  assert.deepEqual([check.isFresh, check.suspectsUs], [false, true])
  check.polled()
  assert.deepEqual([check.isFresh, check.suspectsUs], [true, false])
})

test('while the database does not answer nothing is stuck, however long; the minute begins when it answers again', async () => {
  const { world, upTo } = selfCheck()
  world.answers = false
  assert.equal(await upTo(3_600_000), undefined)
  world.answers = true
  assert.equal(await upTo(7_200_000), 3_670_000)
})

test('a database that says that it does not serve us is to blame, and not the daemon', async () => {
  const { check, upTo } = selfCheck()
  for (let end = 30_000; end <= 600_000; end += 30_000) {
    check.notServed()
    assert.equal(await upTo(end), undefined)
  }
})

test('a process that was frozen for an hour is not stuck for that', async () => {
  const { world, check, upTo } = selfCheck()
  world.now = 3_600_000
  assert.equal(await check.look(), false)
  check.polled()
  assert.equal(await upTo(3_610_000), undefined)
})

test('a poll that is completed while the database is being asked counts', async () => {
  const { world, check, upTo } = selfCheck()
  assert.equal(await upTo(70_000), undefined)
  world.now = 80_000
  const looked = check.look()
  check.polled()
  assert.equal(await looked, false)
  assert.equal(await upTo(90_000), undefined)
})
