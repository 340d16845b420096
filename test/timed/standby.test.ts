import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 8, { servers: 4 })
  configure(sandbox, { queue: { concurrent_tasks: 2 } })
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

const STANDS_BY = 'standing by; another daemon leads'

async function startStandby(args: string[] = []): Promise<DaemonProcess> {
  const standby = sandbox.startDaemon(args)
  await standby.waitForLog(STANDS_BY, { timeoutMs: PATIENCE_MS })
  return standby
}

const pidFile = () => Number(readFileSync(join(sandbox.configFolder, 'state/skynet.pid'), 'utf8'))

test('of two daemons one leads and the other stands by; status, asked of either, tells both; the pid file is the leader’s', async () => {
  const leader = await startLeader(sandbox)
  const standby = await startStandby()
  const status = await readStatus(sandbox)
  assert.deepEqual([status.role, status.pid], ['leader', leader.pid])
  assert.deepEqual(
    status.standbys.map(({ pid }) => pid),
    [standby.pid],
  )
  assert.equal(pidFile(), leader.pid)
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[0] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(linesOf(leader, 'task started', nid).length, 1)
  assert.deepEqual(linesOf(standby, 'task started'), [])
})

test('after kill -9 of the leader the other leads within two seconds, adopts, and no task runs twice', async () => {
  const leader = await startLeader(sandbox)
  const standby = await startStandby()
  const tasks: number[] = []
  for (const [index, object] of sites.entries()) {
    const args: Record<string, string> = index < 2 ? { sandbox_until: 'taken-over' } : {}
    tasks.push((await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })).nid)
  }
  for (const nid of tasks.slice(0, 2)) {
    await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  }
  const killedAt = Date.now()
  leader.kill('SIGKILL')
  const leads = await standby.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const took = Date.parse(String(leads.time)) - killedAt
  assert.ok(took < 2_000, `${took} ms`)
  for (const nid of tasks.slice(0, 2)) {
    await standby.waitForLog((entry) => entry.msg === 'run adopted' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  }
  const status = await readStatus(sandbox)
  assert.deepEqual([status.role, status.pid, status.standbys], ['leader', standby.pid, []])
  assert.equal(pidFile(), standby.pid)
  sandbox.release('taken-over')
  for (const nid of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  for (const nid of tasks) {
    const events = sandbox.journal().filter((entry) => entry.nid === nid)
    assert.deepEqual(
      events.map(({ event }) => event),
      ['start', 'end'],
    )
  }
})

test('a leader that leaves by TERM hands over at once, its running task is adopted', async () => {
  const leader = await startLeader(sandbox)
  const standby = await startStandby()
  const { nid } = await sandbox.hostmaster.queueTask({
    object: sites[0] ?? 0,
    type: 'verify',
    arguments: { sandbox_until: 'handed-over' },
  })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  leader.kill('SIGTERM')
  assert.deepEqual(await leader.waitForExit(), { code: 0, signal: null })
  await standby.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  sandbox.release('handed-over')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
})

test('a frozen leader whose connection the server ends loses its lead, and finds that out when it goes on', async () => {
  const leader = await startLeader(sandbox)
  const standby = await startStandby()
  leader.kill('SIGSTOP')
  try {
    // As the server itself does after wait_timeout (30 s) of silence.
    const [lock] = await sandbox.hostmaster.query<{ id: number }>(
      `SELECT IS_USED_LOCK(CONCAT('skynet:', LEFT(SHA2('hostmaster', 256), 40))) AS id`,
    )
    await sandbox.hostmaster.execute(`KILL ${lock?.id ?? 0}`)
    await standby.waitForLog('leading', { timeoutMs: PATIENCE_MS })
    const { nid } = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    leader.kill('SIGCONT')
    await leader.waitForLog(STANDS_BY, { timeoutMs: PATIENCE_MS })
    assert.equal(sandbox.journalFile.of('start', nid).length, 1)
    assert.deepEqual(linesOf(leader, 'task started', nid), [])
    const status = await readStatus(sandbox)
    assert.deepEqual([status.pid, status.standbys.map(({ pid }) => pid)], [standby.pid, [leader.pid]])
  } finally {
    leader.kill('SIGCONT')
  }
})

/** Makes the leader lose its lock, as a server does that ends its connection; the standby has it at once. */
async function endLeadOf(leader: DaemonProcess, standby: DaemonProcess): Promise<void> {
  const [lock] = await sandbox.hostmaster.query<{ id: number }>(
    `SELECT IS_USED_LOCK(CONCAT('skynet:', LEFT(SHA2('hostmaster', 256), 40))) AS id`,
  )
  await sandbox.hostmaster.execute(`KILL ${lock?.id ?? 0}`)
  await standby.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  await leader.waitForLog(STANDS_BY, { timeoutMs: PATIENCE_MS })
}

async function leadsAgain(leader: DaemonProcess, standby: DaemonProcess): Promise<void> {
  standby.kill('SIGKILL')
  await sandbox.waitFor(() => linesOf(leader, 'leading').length === 2, {
    what: 'it leads again',
    timeoutMs: PATIENCE_MS,
  })
}

test('a run that another daemon adopted and settled takes no slot of the one that started it, when that one leads again', async () => {
  const leader = await startLeader(sandbox, ['--set', 'queue.concurrent_tasks=1'])
  const standby = await startStandby()
  const { nid } = await sandbox.hostmaster.queueTask({
    object: sites[0] ?? 0,
    type: 'verify',
    arguments: { sandbox_until: 'settled-by-the-other' },
  })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  await endLeadOf(leader, standby)
  sandbox.release('settled-by-the-other')
  await standby.waitForLog('task ended', { timeoutMs: PATIENCE_MS })
  await leadsAgain(leader, standby)
  const next = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(next.nid, 1, PATIENCE_MS)
  assert.deepEqual(linesOf(leader, 'task ended', nid), [])
  assert.deepEqual((await readStatus(sandbox)).untouchable_records, [])
})

test('a run that another daemon adopted and left alive is settled, once, by the one that started it and leads again', async () => {
  const leader = await startLeader(sandbox, ['--set', 'queue.concurrent_tasks=1'])
  const standby = await startStandby()
  const { nid, vid } = await sandbox.hostmaster.queueTask({
    object: sites[0] ?? 0,
    type: 'verify',
    arguments: { sandbox_until: 'back-again' },
  })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  await endLeadOf(leader, standby)
  await leadsAgain(leader, standby)
  const next = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  sandbox.release('back-again')
  await sandbox.waitForStatus(next.nid, 1, PATIENCE_MS)
  const ended = linesOf(leader, 'task ended', nid)
  assert.deepEqual(
    ended.map(({ outcome }) => outcome),
    ['success'],
  )
  // The claim of a settled run is removed when there is nothing else to do.
  const isRemoved = async () => !(await sandbox.hostmaster.semaphore()).some(({ name }) => name === `skynet_run_${vid}`)
  await sandbox.waitFor(isRemoved, { what: 'the claim to be removed', timeoutMs: PATIENCE_MS })
})

test('--no-standby leaves with status 75 where another daemon leads, and says how to see it', async () => {
  const leader = await startLeader(sandbox)
  const second = sandbox.startDaemon(['--no-standby'])
  assert.deepEqual(await second.waitForExit(), { code: 75, signal: null })
  assert.match(second.stderr, /Another daemon leads this hostmaster/)
  assert.match(second.stderr, /skynet status/)
  assert.equal(leader.exit, undefined)
  assert.equal((await readStatus(sandbox)).pid, leader.pid)
})

test('a standby obeys TERM and INT at once and leaves no note behind', async () => {
  await startLeader(sandbox)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const standby = await startStandby()
    const asked = performance.now()
    standby.kill(signal)
    assert.deepEqual(await standby.waitForExit(), { code: 0, signal: null })
    assert.ok(performance.now() - asked < 4_000, `${signal} took ${performance.now() - asked} ms`)
    assert.deepEqual((await readStatus(sandbox)).standbys, [])
  }
})
