import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { LockRowKeeper } from '../../src/daemon/lock-row-keeper.js'
import type { DatabaseConnection } from '../../src/hostmaster/connection.js'

const time = { now: 1_000_000_000_000, monotonic: 0 }
const clock = { now: () => time.now, monotonic: () => time.monotonic, pause: () => Promise.resolve() }
const seconds = () => time.now / 1000

/** Of this machine, process 7 lives. */
const processes = {
  identify: (pid: number) => (pid === 7 ? { machine: 'm', boot: 'b', pid, started: 1 } : undefined),
}

let statements: string[]
let matched: number
let keeper: LockRowKeeper
const connection = {
  change: (statement: string) => {
    statements.push(statement.trim().split(' ')[0] ?? '')
    return Promise.resolve(matched)
  },
} as unknown as DatabaseConnection

beforeEach(() => {
  statements = []
  matched = 1
  keeper = new LockRowKeeper({ host: 'host', pid: 42, clock, processes })
})

test('takes a free row; one that was taken in the same moment is left to the next poll', async () => {
  assert.deepEqual(await keeper.keep(connection, null), { kind: 'ours' })
  assert.equal(keeper.value, 'skynet:host:42')
  matched = 0
  assert.deepEqual(await new LockRowKeeper({ host: 'host', pid: 43, clock, processes }).keep(connection, null), {
    kind: 'free',
  })
  assert.deepEqual(statements, ['INSERT', 'INSERT'])
})

test('renews its own row when a quarter of its time has gone, and not before; also when the clock was set', async () => {
  const own = (left: number) => ({ value: keeper.value, expire: seconds() + left })
  assert.deepEqual(await keeper.keep(connection, own(120)), { kind: 'ours' })
  await keeper.keep(connection, own(91))
  assert.deepEqual(statements, [])
  await keeper.keep(connection, own(89))
  await keeper.keep(connection, own(-5))
  await keeper.keep(connection, own(4000))
  assert.deepEqual(statements, ['UPDATE', 'UPDATE', 'UPDATE'])
})

test('takes over the row of another Skynet at once, and that of another runner when it has expired', async () => {
  assert.deepEqual(await keeper.keep(connection, { value: 'skynet:old:1', expire: seconds() + 100 }), { kind: 'ours' })
  assert.deepEqual(await keeper.keep(connection, { value: 'someone', expire: seconds() - 1 }), { kind: 'ours' })
  assert.deepEqual(statements, ['UPDATE', 'UPDATE'])
})

test('in a cluster leaves the row of another Skynet alone until it expires, unless that one was here and is gone', async () => {
  keeper.servedBy({ cluster: true })
  const of = (value: string, left = 100) => keeper.keep(connection, { value, expire: seconds() + left })
  for (const holder of ['skynet:elsewhere:42', 'skynet:host:7', 'skynet:host:', 'skynet:host:x']) {
    assert.equal((await of(holder)).kind, 'foreign', holder)
  }
  assert.deepEqual(statements, [])
  assert.deepEqual(await of('skynet:host:8'), { kind: 'ours' })
  assert.deepEqual(await of('skynet:elsewhere:42', -1), { kind: 'ours' })
  assert.deepEqual(await of(keeper.value), { kind: 'ours' })
  keeper.servedBy({ cluster: false })
  assert.deepEqual(await of('skynet:elsewhere:42'), { kind: 'ours' })
  assert.deepEqual(statements, ['UPDATE', 'UPDATE', 'UPDATE'])
})

test('leaves the row of a live runner alone and says whose it is and until when', async () => {
  const state = await keeper.keep(connection, { value: '4b2f', expire: seconds() + 60 })
  assert.deepEqual(state, { kind: 'foreign', holder: '4b2f', until: (seconds() + 60) * 1000 })
  assert.deepEqual(statements, [])
})

test('knows how long ago the database last took a write of ours', async () => {
  assert.equal(keeper.sinceWritten, Infinity)
  await keeper.keep(connection, null)
  time.monotonic += 61_000
  assert.equal(keeper.sinceWritten, 61_000)
  matched = 0
  await keeper.keep(connection, { value: keeper.value, expire: 0 })
  assert.equal(keeper.state.kind, 'free', 'a row that is gone is not ours')
  assert.equal(keeper.sinceWritten, 61_000)
})
