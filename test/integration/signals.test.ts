import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import type { LogEntry } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { waitFor } from '../sandbox/wait-for.js'

let sandbox: Sandbox
let sites: number[]
const processes = new ProcessTable()

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 4, { servers: 4 })
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

/** Queues a task that ends when released, and waits until its drush is at work; one more waits behind it. */
async function taskAndFollower(until: string): Promise<{ nid: number; pid: number; follower: number }> {
  const [object = 0] = sites
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: { sandbox_until: until } })
  const follower = await sandbox.hostmaster.queueTask({ object, type: 'verify' })
  const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  return { nid, pid, follower: follower.nid }
}

const isRunning = (pid: number) => processes.list().some((process) => process.pid === pid)

/** What the two tasks of `taskAndFollower` come to with the next daemon. */
async function isFinishedByTheNext(nid: number, follower: number, until: string): Promise<void> {
  assert.equal(await sandbox.hostmaster.currentStatus(follower), 0)
  const next = await startLeader(sandbox)
  await next.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  sandbox.release(until)
  await sandbox.waitForStatus(follower, 1, PATIENCE_MS)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  assert.deepEqual(
    sandbox
      .journal()
      .filter((entry) => entry.nid === nid)
      .map(({ event }) => event),
    ['start', 'end'],
  )
}

test('TERM leaves at once, the running task goes on and is adopted by the next start', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const { nid, pid, follower } = await taskAndFollower('term')
  const asked = performance.now()
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.ok(performance.now() - asked < 3_000, `${performance.now() - asked} ms`)
  assert.ok(isRunning(pid))
  assert.equal(linesOf(daemon, 'skynet leaves')[0]?.['running'], 1)
  const row = (await sandbox.hostmaster.semaphore()).find(({ name }) => name === 'hosting_queue_tasks_running')
  assert.match(row?.value ?? '', /^skynet:/, 'with a run alive the lock row is left to expire')
  await isFinishedByTheNext(nid, follower, 'term')
})

test('TERM with nothing running gives the lock row back', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const isOurs = async () =>
    (await sandbox.hostmaster.semaphore()).some(({ value }) => value.endsWith(`:${daemon.pid}`))
  await waitFor(isOurs, { what: 'the lock row' })
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  assert.ok(!existsSync(join(sandbox.configFolder, 'state/control.sock')))
})

test('INT waits for the running task, starts no other, and leaves with status 0 when it has ended', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const { nid, follower } = await taskAndFollower('int')
  daemon.kill('SIGINT')
  const line = await daemon.waitForLog('leaving when the running tasks have ended')
  assert.equal(line['running'], 1)
  assert.equal((await readStatus(sandbox)).running[0]?.nid, nid)
  sandbox.release('int')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.equal(linesOf(daemon, 'task ended', nid)[0]?.['outcome'], 'success')
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  assert.equal(await sandbox.hostmaster.currentStatus(follower), 0)
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  await sandbox.hostmaster.cancel(follower)
})

test('INT twice leaves at once, the running task goes on and is adopted by the next start', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const { nid, pid, follower } = await taskAndFollower('int-twice')
  daemon.kill('SIGINT')
  await daemon.waitForLog('leaving when the running tasks have ended')
  const asked = performance.now()
  daemon.kill('SIGINT')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.ok(performance.now() - asked < 3_000, `${performance.now() - asked} ms`)
  assert.ok(isRunning(pid))
  await isFinishedByTheNext(nid, follower, 'int-twice')
})

test('HUP reads the configuration again, even one that looks unchanged, and opens the log file anew', async () => {
  const file = join(sandbox.home, 'skynet.log')
  const lines = (path: string): LogEntry[] =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as LogEntry)
      : []
  const has = (path: string, msg: string) => waitFor(() => lines(path).find((line) => line.msg === msg), { what: msg })
  configure(sandbox, { log: { file } })
  const daemon = sandbox.startDaemon()
  await has(file, 'leading')
  renameSync(file, `${file}.1`)
  configure(sandbox, { log: { file }, queue: { concurrent_tasks: 3 } })
  await has(`${file}.1`, 'configuration changed')
  assert.ok(!existsSync(file), 'without HUP it goes on writing to the file that was moved away')
  daemon.kill('SIGHUP')
  await waitFor(() => existsSync(file), { what: 'the new log file' })
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await has(file, 'task ended')
  assert.ok(!lines(`${file}.1`).some((line) => line['nid'] === nid))
  assert.equal((await readStatus(sandbox)).slots, 3)
  assert.equal(daemon.exit, undefined)
  assert.deepEqual(
    lines(file).filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  )
})

test('a bad edit is reported once, HUP or not, and the last good configuration stays in force', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 2 } })
  const daemon = await startLeader(sandbox)
  const bad = 'configuration is bad; the last good one stays in force'
  configure(sandbox, { queue: { concurent_tasks: 4 } })
  const reported = await daemon.waitForLog(bad)
  assert.match(JSON.stringify(reported), /concurent_tasks.*concurrent_tasks/)
  daemon.kill('SIGHUP')
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(linesOf(daemon, 'configuration changed'), [])
  configure(sandbox, { queue: { concurrent_tasks: 4 } })
  await daemon.waitForLog('configuration is good again')
  assert.equal((await readStatus(sandbox)).slots, 4)
  assert.equal(linesOf(daemon, bad).length, 1)
  sandbox.daemons.length = 0
  daemon.kill('SIGTERM')
  await daemon.waitForExit()
})

test('USR1 makes the log one level more talkative and USR2 one less, to the last level and no further', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const level = async (signal: NodeJS.Signals, count: number) => {
    daemon.kill(signal)
    const changed = await waitFor(() => linesOf(daemon, 'log level changed')[count - 1], { what: 'the change' })
    return changed['log_level']
  }
  assert.equal(await level('SIGUSR1', 1), 'debug')
  assert.equal(await level('SIGUSR1', 2), 'trace')
  assert.equal(await level('SIGUSR1', 3), 'trace')
  assert.equal(await level('SIGUSR2', 4), 'debug')
  assert.equal(await level('SIGUSR2', 5), 'info')
  daemon.kill('SIGUSR2')
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await waitFor(async () => (await readStatus(sandbox)).running.length === 0, { what: 'the end of the run' })
  assert.deepEqual(linesOf(daemon, 'task ended', nid), [], 'at level warn the end of a task is not logged')
  assert.doesNotMatch(daemon.stderr, /[Dd]ebugger/, 'USR1 does not open the debugger of Node')
})

test('an idle daemon logs nothing', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const polls = async () => {
    const [row] = await sandbox.hostmaster.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")
    return Number(row?.Value)
  }
  await readStatus(sandbox)
  const [lines, executed] = [daemon.logs.length, await polls()]
  await waitFor(async () => (await polls()) > executed + 20, { what: 'twenty polls' })
  assert.deepEqual(daemon.logs.slice(lines), [])
})

test('dist/ deleted under a leading daemon: it still settles, survives an outage of the database, and obeys TERM', async () => {
  await using own = await Sandbox.create({ ownInstall: true })
  const [object = 0, other = 0] = await makeSites(own, 2, { servers: 2 })
  configure(own)
  const daemon = await startLeader(own)
  const args = { sandbox_until: 'deleted' }
  const { nid } = await own.hostmaster.queueTask({ object, type: 'verify', arguments: args })
  await own.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  for (const name of ['dist', 'node_modules', 'package.json']) {
    rmSync(join(own.install.root, name), { recursive: true })
  }
  own.release('deleted')
  assert.equal((await daemon.waitForLog('task ended', { timeoutMs: PATIENCE_MS }))['outcome'], 'success')

  await own.database.kill()
  await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
  await own.database.start()
  await daemon.waitForLog('database is back', { timeoutMs: PATIENCE_MS })

  own.configureDrush({ refuse_all: 'alias' })
  const late = await own.hostmaster.queueTask({ object: other, type: 'verify' })
  await daemon.waitForLog('drush does not work; nothing is started until it does, and no task is blamed', {
    timeoutMs: PATIENCE_MS,
  })
  own.configureDrush({ refuse_all: undefined })
  await own.waitForStatus(late.nid, 1, PATIENCE_MS)
  const failing = await own.hostmaster.queueTask({ object, type: 'verify', arguments: { sandbox_hang: '1' } })
  const { pid } = await own.waitForJournal((entry) => entry.event === 'start' && entry.nid === failing.nid, {
    timeoutMs: PATIENCE_MS,
  })
  process.kill(pid, 'SIGKILL')
  await own.waitForStatus(failing.nid, 2, PATIENCE_MS)

  configure(own, { queue: { concurrent_tasks: 'many' } })
  await daemon.waitForLog('configuration is bad; the last good one stays in force', { timeoutMs: PATIENCE_MS })
  configure(own, { schedule: { 'hosting-dispatch': '0 0 1 1 *' } })
  await daemon.waitForLog('configuration is good again', { timeoutMs: PATIENCE_MS })
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  const faults = daemon.logs.filter(({ level, msg }) => level === 'error' && !msg.startsWith('configuration is bad'))
  assert.deepEqual(faults, [])
  assert.equal(daemon.stderr, '')
})
