import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { LongPoll } from '../../src/daemon/long-poll.js'
import { DatabaseError, type DatabaseConnection } from '../../src/hostmaster/connection.js'
import { faultOf } from '../../src/hostmaster/database-fault.js'
import type { LeaderLock } from '../../src/hostmaster/leader-lock.js'

const WATCHED = { window: { floor: 0, mark: 1_000 }, leaderLock: 'skynet:a' }

type Answer = () => Promise<{ fingerprint: string }[][]>

const says = (fingerprint: string) => Promise.resolve([[{ fingerprint }]])

function fails(code: string): Promise<never> {
  const error = Object.assign(new Error('no'), { code })
  return Promise.reject(new DatabaseError(faultOf(error), error))
}

/** A long poll at a server that gives these answers; time passes only with `passed`. */
function longPoll(answers: Answer[], { holds = true } = {}) {
  const asked: unknown[][] = []
  const said: string[] = []
  const done: string[] = []
  let now = 0
  const connection = {
    rows: (_statement: string, values: unknown[]) => {
      asked.push(values)
      return answers.shift()?.()
    },
  }
  const lock = {
    wakeLock: 'skynet:a:wake',
    holdWakeLock: () => Promise.resolve(holds),
    releaseWakeLock: () => {
      done.push('released')
      return Promise.resolve()
    },
  }
  const logger = pino({ level: 'info' }, { write: (line) => said.push((JSON.parse(line) as { msg: string }).msg) })
  const poll = new LongPoll(connection as unknown as DatabaseConnection, lock as unknown as LeaderLock, {
    clock: { monotonic: () => now },
    logger,
    returned: () => done.push('returned'),
  })
  return { poll, asked, said, done, passed: (ms: number) => (now += ms) }
}

test('first it learns what a change is a change from; then the server looks, until it is told to answer', async () => {
  let answer: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => (answer = resolve))
  const { poll, asked, said, done } = longPoll([() => says('x'), () => waiting.then(() => says('x'))])
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  assert.deepEqual(asked, [
    [0, 1_000, 'skynet:a', null, 1, 'skynet:a:wake', 0.5, 'skynet:a:wake'],
    [0, 1_000, 'skynet:a', 'x', 9, 'skynet:a:wake', 0.5, 'skynet:a:wake'],
  ])
  assert.equal(poll.isUnderWay, true)
  poll.release()
  poll.release()
  assert.deepEqual(done, ['released'])
  answer()
  await poll.end()
  await poll.end()
  assert.deepEqual(done, ['released', 'returned'])
  assert.equal(poll.isUnderWay, false)
  assert.deepEqual(said, [])
})

test('what is learned is of one window of vids: for another it is learned anew', async () => {
  const { poll, asked } = longPoll([() => says('x'), () => says('y')])
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(await poll.begin({ ...WATCHED, window: { floor: 0, mark: 1_001 } }, 500, 9), false)
  assert.equal(asked.length, 2)
})

test('less than two intervals are not worth it, and without the wake lock the wait could not be ended', async () => {
  const { poll, asked } = longPoll([() => says('x')], { holds: false })
  assert.equal(await poll.begin(WATCHED, 2_500, 2), false)
  assert.equal(asked.length, 0)
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(asked.length, 1)
})

test('a server that does not know such a statement is asked once, and that is told once', async () => {
  const { poll, asked, said } = longPoll([() => fails('ER_PARSE_ERROR')])
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(asked.length, 1)
  assert.deepEqual(said, ['the server does not look at the queue for us; polling goes on'])
})

test('a server that answers without having waited is not asked again', async () => {
  const { poll, asked, said, passed } = longPoll([() => says('x'), () => says('x'), () => says('x'), () => says('x')])
  await poll.begin(WATCHED, 500, 9)
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  passed(4_500)
  await poll.end()
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  await new Promise((resolve) => setImmediate(resolve))
  await poll.end()
  assert.equal(await poll.begin(WATCHED, 500, 9), false)
  assert.equal(asked.length, 3)
  assert.equal(said.length, 1)
})

test('a change that is there already is answered at once, and the server is asked again', async () => {
  const { poll, asked, said } = longPoll([() => says('x'), () => says('y'), () => says('y')])
  await poll.begin(WATCHED, 500, 9)
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  await new Promise((resolve) => setImmediate(resolve))
  await poll.end()
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  assert.deepEqual([asked.length, asked[2]?.[3], said], [3, 'y', []])
})

test('a lost connection is for whoever holds it: it is thrown where it is noticed, and told by nobody here', async () => {
  const { poll, said } = longPoll([() => says('x'), () => fails('ECONNRESET')])
  await poll.begin(WATCHED, 500, 9)
  assert.equal(await poll.begin(WATCHED, 500, 9), true)
  await assert.rejects(poll.end(), (error) => error instanceof DatabaseError && error.fault.kind === 'lost')
  const other = longPoll([() => fails('PROTOCOL_CONNECTION_LOST')])
  await assert.rejects(other.poll.begin(WATCHED, 500, 9), DatabaseError)
  assert.deepEqual([said, other.said], [[], []])
})
