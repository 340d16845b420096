import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { after, before, beforeEach, describe, test } from 'node:test'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

const LOCK_ROW = 'hosting_queue_tasks_running'
const WAITING = "another runner holds Aegir's queue lock; waiting for it"
const FREE = "Aegir's queue lock is free again"

/** As Drupal's lock_acquire() makes them: uniqid() of the request. */
const HOLDER = '1733092801674d8c81b2a3e4.51237719'

let sandbox: Sandbox
let site: number

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  site = (await sandbox.hostmaster.hostmasterSite()).site
})
beforeEach(() => sandbox.hostmaster.execute('DELETE FROM semaphore'))
after(() => sandbox.close())

function queue(args: Record<string, string> = {}): Promise<{ nid: number; vid: number }> {
  return sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: args })
}

async function hold(value: string, seconds: number): Promise<void> {
  await sandbox.hostmaster.execute('REPLACE INTO semaphore (name, value, expire) VALUES (?, ?, ?)', [
    LOCK_ROW,
    value,
    Date.now() / 1000 + seconds,
  ])
}

async function lockRow(): Promise<{ value: string; expire: number } | undefined> {
  return (await sandbox.hostmaster.semaphore()).find(({ name }) => name === LOCK_ROW)
}

describe('a live foreign holder of the lock row', () => {
  test('keeps everything waiting, status says who, and work begins when it goes', async () => {
    await hold(HOLDER, 3600)
    const { nid } = await queue()
    const daemon = await startLeader(sandbox)
    const warning = await daemon.waitForLog(WAITING, { timeoutMs: PATIENCE_MS })
    assert.equal(warning['holder'], HOLDER)
    const status = await waitForStatusOf(sandbox, 'the waiting task', ({ waiting }) => waiting.count === 1)
    assert.ok(status.hindrances.some(({ message }) => message.includes(HOLDER)))
    const words = await sandbox.skynet(['status'])
    assert.ok(words.stdout.includes(HOLDER), words.stdout)
    assert.equal(words.code, 1)
    assert.equal((await lockRow())?.value, HOLDER, 'another’s row is left alone')
    assert.deepEqual(sandbox.journalFile.of('start', nid), [])

    await sandbox.hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [LOCK_ROW])
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await daemon.waitForLog(FREE)
    assert.deepEqual([linesOf(daemon, WAITING).length, linesOf(daemon, FREE).length], [1, 1])
    const after = await waitForStatusOf(sandbox, 'no hindrance', ({ hindrances }) => hindrances.length === 0)
    assert.equal(after.waiting.count, 0)
    await stopDaemon(daemon)
  })

  test('keeps everything waiting until the second in which its row expires, and no longer', async () => {
    const { nid } = await queue()
    await hold(HOLDER, 3600)
    const daemon = await startLeader(sandbox)
    await daemon.waitForLog(WAITING, { timeoutMs: PATIENCE_MS })
    await hold(HOLDER, 2)
    const expire = (await lockRow())?.expire ?? 0
    const { time } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
      timeoutMs: PATIENCE_MS,
    })
    assert.ok(time >= expire, `started at ${time}, the row expired at ${expire}`)
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await stopDaemon(daemon)
  })

  test('that takes the row from under the leader is respected by the very next start', async () => {
    const daemon = await startLeader(sandbox)
    await sandbox.waitFor(lockRow, { what: 'the lock row' })
    await hold(HOLDER, 3600)
    const { nid } = await queue()
    await daemon.waitForLog(WAITING, { timeoutMs: PATIENCE_MS })
    assert.deepEqual(sandbox.journalFile.of('start', nid), [])
    await sandbox.hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [LOCK_ROW])
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await stopDaemon(daemon)
  })
})

describe('a row that a killed Skynet left', () => {
  test('delays nothing: the next daemon takes it over at once', async () => {
    const first = await startLeader(sandbox)
    const row = await sandbox.waitFor(lockRow, { what: 'the lock row' })
    assert.equal(row.value, `skynet:${hostname()}:${first.pid}`)
    first.kill('SIGKILL')
    await first.exited
    const { nid } = await queue()
    const second = await startLeader(sandbox)
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.equal((await lockRow())?.value, `skynet:${hostname()}:${second.pid}`)
    assert.deepEqual(linesOf(second, WAITING), [])
    await stopDaemon(second)
  })

  test('on another machine, with an expiry far ahead, delays nothing either', async () => {
    await hold('skynet:another.example.com:4711', 100_000)
    const { nid } = await queue()
    const daemon = await startLeader(sandbox)
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.deepEqual(linesOf(daemon, WAITING), [])
    await stopDaemon(daemon)
  })
})

describe('the leader', () => {
  test('holds the row two minutes ahead while it leads, paused or not, and renews it before the others could take it', async () => {
    await sandbox.hostmaster.setVariable('hosting_queued_paused', 'i:1;')
    const daemon = await startLeader(sandbox)
    await daemon.waitForLog('queue is paused')
    const row = await sandbox.waitFor(lockRow, { what: 'the lock row' })
    const ahead = row.expire - Date.now() / 1000
    assert.ok(ahead > 80 && ahead <= 120, `${ahead} s`)
    // As if a minute had passed since the last renewal.
    await sandbox.hostmaster.execute('UPDATE semaphore SET expire = expire - 60 WHERE name = ?', [LOCK_ROW])
    await sandbox.waitFor(async () => ((await lockRow())?.expire ?? 0) > Date.now() / 1000 + 100, {
      what: 'the renewal',
      timeoutMs: PATIENCE_MS,
    })
    await sandbox.hostmaster.deleteVariable('hosting_queued_paused')
    await stopDaemon(daemon)
  })

  test('gives the row back when it leaves with nothing running, and lets it expire when a task goes on', async () => {
    const idle = await startLeader(sandbox)
    await sandbox.waitFor(lockRow, { what: 'the lock row' })
    await stopDaemon(idle)
    assert.equal(await lockRow(), undefined)

    const { nid, vid } = await queue({ sandbox_ms: '1000' })
    const daemon = await startLeader(sandbox)
    const drush = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
      timeoutMs: PATIENCE_MS,
    })
    process.kill(drush.pid, 'SIGSTOP')
    await stopDaemon(daemon)
    const names = (await sandbox.hostmaster.semaphore()).map(({ name }) => name)
    assert.deepEqual(names, [LOCK_ROW, `skynet_run_${vid}`])
    const next = await startLeader(sandbox)
    process.kill(drush.pid, 'SIGCONT')
    await next.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
    await stopDaemon(next)
    assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  })

  test('gets the row back that the web interface’s “Unlock Hosting Queue” deleted', async () => {
    const daemon = await startLeader(sandbox)
    await sandbox.waitFor(lockRow, { what: 'the lock row' })
    await sandbox.hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [LOCK_ROW])
    await sandbox.waitFor(lockRow, { what: 'the lock row again', timeoutMs: PATIENCE_MS })
    assert.deepEqual(linesOf(daemon, WAITING), [])
    await stopDaemon(daemon)
  })
})

test('with rare polls, too, the leader renews its row and notices the loss of its lock', async () => {
  configure(sandbox, { queue: { poll_interval: '10m' } })
  // Ten minutes last one: longer than this test waits for anything.
  const daemon = sandbox.startFastDaemon(10)
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const first = await sandbox.waitFor(lockRow, { what: 'the lock row' })
  await sandbox.waitFor(async () => ((await lockRow())?.expire ?? 0) > first.expire, {
    what: 'a later expiry',
    timeoutMs: PATIENCE_MS,
  })
  const [lock] = await sandbox.hostmaster.query<{ id: number }>('SELECT IS_USED_LOCK(?) AS id', [
    leaderLockName(sandbox.hostmaster.credentials.db),
  ])
  await sandbox.hostmaster.execute(`KILL ${lock?.id ?? 0}`)
  await sandbox.waitFor(() => linesOf(daemon, 'leading').length === 2, {
    what: 'it leads again',
    timeoutMs: PATIENCE_MS,
  })
  await stopDaemon(daemon)
  configure(sandbox)
})
