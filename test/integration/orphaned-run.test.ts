import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader, stopDaemon } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

const SECRET = 'the-initial-password-is-tulip'

let sandbox: Sandbox
let site: number
let otherSite: number
const processes = new ProcessTable()

before(async () => {
  sandbox = await Sandbox.create()
  const sites = await makeSites(sandbox, 2, { servers: 2 })
  site = sites[0] ?? 0
  otherSite = sites[1] ?? 0
  configure(sandbox, { queue: { concurrent_tasks: 2 } })
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

/** Queues a task with a backend of so many milliseconds, and waits until that backend works. */
async function taskWithBackend(ms: number): Promise<{ nid: number; vid: number; drush: number; session: number }> {
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: { sandbox_backend_ms: String(ms), sandbox_print: `${SECRET}\n` },
  })
  await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  const start = sandbox.journalFile.of('start', nid)[0]
  assert.ok(start?.vid)
  return { nid, vid: start.vid, drush: start.pid, session: start.sid }
}

/** When the task got status 2, in seconds since 1970 by our own clock; and its error rows. */
async function failure(nid: number): Promise<{ at: number; errors: string[] }> {
  await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
  const at = Date.now() / 1000
  const rows = await sandbox.hostmaster.log(nid)
  assert.ok(!rows.some(({ message, error }) => `${message}${error}`.includes(SECRET)), 'no row holds output')
  return { at, errors: rows.filter(({ type }) => type === 'error').map(({ message }) => message) }
}

test('kill -9 of drush keeps its object taken while the backend goes on for ten seconds; two seconds later the task is red and says why', async () => {
  const daemon = await startLeader(sandbox)
  const { nid, vid, drush, session } = await taskWithBackend(10_000)
  const same = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  process.kill(drush, 'SIGKILL')
  const orphaned = await daemon.waitForLog('drush is gone but its backend goes on; its object stays taken')
  assert.equal(orphaned['nid'], nid)
  assert.deepEqual(
    (await readStatus(sandbox)).running.map((run) => [run.nid, run.state]),
    [[nid, 'orphaned']],
  )
  const elsewhere = await sandbox.hostmaster.queueTask({ object: otherSite, type: 'verify' })
  await sandbox.waitForStatus(elsewhere.nid, 1, PATIENCE_MS)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), -1)

  const end = await sandbox.waitForJournal((entry) => entry.event === 'backend-end' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  const { at, errors } = await failure(nid)
  assert.ok(at - end.time < 2, `${at - end.time} s after the backend`)
  assert.ok(end.time - (sandbox.journalFile.of('backend-start', nid)[0]?.time ?? 0) >= 10)
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /drush was ended by signal KILL \(exit status 137\).*\(run [\w-]+\)/)
  assert.equal((await sandbox.hostmaster.taskRows(nid)).at(-1)?.vid, vid)

  await sandbox.waitForStatus(same.nid, 1, PATIENCE_MS)
  const started = sandbox.journalFile.of('start', same.nid)[0]
  assert.ok((started?.time ?? 0) > end.time, 'nothing else started on the object meanwhile')
  const [ended] = linesOf(daemon, 'task ended', nid)
  assert.deepEqual([ended?.['outcome'], ended?.['signal'], ended?.['exit_code']], ['error', 'KILL', null])
  assert.equal(linesOf(daemon, 'drush is gone but its backend goes on; its object stays taken').length, 1)
  assert.deepEqual(
    processes.list().filter((process) => process.session === session),
    [],
  )
})

test('kill -9 of the shell alone ends nothing: drush is named, goes on, and does not end as the shell did', async () => {
  const daemon = await startLeader(sandbox)
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: { sandbox_until: 'shell-killed' },
  })
  const drush = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  const isNamed = new RegExp(`^It is running since .*, process ${drush.pid} `)
  assert.match((await sandbox.skynet(['why', String(nid)])).stdout, isNamed)
  const [running] = (await readStatus(sandbox)).running
  assert.equal(running?.pid, drush.pid)
  // Who drush is the daemon knows when it has seen the run once, which its record shows.
  const record = () => new RunRecords(sandbox).of(nid).find(({ state }) => state === 'running')
  await sandbox.waitFor(record, { what: 'the record of the run', timeoutMs: PATIENCE_MS })
  process.kill(drush.sid, 'SIGKILL')
  await sandbox.waitFor(() => processes.read(drush.sid) === undefined, { what: 'the end of the shell' })
  assert.equal((await readStatus(sandbox)).running[0]?.state, 'running')
  // The next daemon knows no less of it.
  await stopDaemon(daemon)
  const next = await startLeader(sandbox)
  assert.match((await sandbox.skynet(['why', String(nid)])).stdout, isNamed)
  const show = await sandbox.skynet(['show', String(nid), '--json'])
  assert.equal((JSON.parse(show.stdout) as { runs: { pid: number }[] }).runs.at(-1)?.pid, drush.pid)
  sandbox.release('shell-killed')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const ended = await next.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid)
  assert.deepEqual([ended['outcome'], ended['signal'], ended['exit_code']], ['success', null, null])
  for (const each of [daemon, next]) {
    assert.deepEqual(linesOf(each, 'drush is gone but its backend goes on; its object stays taken', nid), [])
  }
})

test('kill -9 of the whole session of a run that was looked at before names the signal', async () => {
  await startLeader(sandbox)
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: { sandbox_hang: '1' } })
  const record = () => new RunRecords(sandbox).of(nid).find(({ state, drush }) => state === 'running' && drush)
  const { child, drush } = await sandbox.waitFor(record, { what: 'the record of the run', timeoutMs: PATIENCE_MS })
  assert.ok(child && drush && drush.pid !== child.pid)
  process.kill(-child.pid, 'SIGKILL')
  const { errors } = await failure(nid)
  assert.match(errors[0] ?? '', /was ended by signal KILL/)
})

test('kill -9 of drush and of the shell that notes its end names the signal too, and the object stays taken all the same', async () => {
  await startLeader(sandbox)
  const { nid, drush, session } = await taskWithBackend(2_000)
  const same = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  process.kill(session, 'SIGKILL')
  process.kill(drush, 'SIGKILL')
  const { errors } = await failure(nid)
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /was ended by signal KILL/)
  await sandbox.waitForStatus(same.nid, 1, PATIENCE_MS)
  const end = sandbox.journalFile.of('backend-end', nid)[0]
  assert.ok((sandbox.journalFile.of('start', same.nid)[0]?.time ?? 0) > (end?.time ?? Infinity))
})

test('an orphaned run whose daemon is killed too is adopted as orphaned, its object still taken', async () => {
  const killedOne = await startLeader(sandbox)
  const { nid, drush } = await taskWithBackend(6_000)
  process.kill(drush, 'SIGKILL')
  await killedOne.waitForLog('drush is gone but its backend goes on; its object stays taken')
  killedOne.kill('SIGKILL')
  await killedOne.waitForExit()
  const same = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  const daemon = sandbox.startDaemon()
  const adopted = await daemon.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  assert.deepEqual([adopted['nid'], adopted['state']], [nid, 'orphaned'])
  const { errors } = await failure(nid)
  assert.match(errors.join('\n'), /^Skynet: drush was ended by signal KILL/)
  await sandbox.waitForStatus(same.nid, 1, PATIENCE_MS)
  const end = sandbox.journalFile.of('backend-end', nid)[0]
  assert.ok((sandbox.journalFile.of('start', same.nid)[0]?.time ?? 0) > (end?.time ?? Infinity))
})

for (const signal of ['TERM', 'INT', 'HUP'] as const) {
  test(`drush that is ended by ${signal} leaves a task that turns red and names ${signal}`, async () => {
    await startLeader(sandbox)
    const { nid } = await sandbox.hostmaster.queueTask({
      object: site,
      type: 'verify',
      arguments: { sandbox_hang: '1' },
    })
    const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
      timeoutMs: PATIENCE_MS,
    })
    process.kill(pid, `SIG${signal}`)
    const { errors } = await failure(nid)
    assert.equal(errors.length, 1)
    assert.match(errors[0] ?? '', new RegExp(`ended by signal ${signal} `))
  })
}
