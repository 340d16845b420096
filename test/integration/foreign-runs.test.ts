import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import type { QueuedTask } from '../sandbox/node-rows.js'
import {
  PATIENCE_MS,
  configure,
  linesOf,
  readStatus,
  startLeader,
  stopDaemon,
  waitForStatusOf,
} from '../sandbox/leader.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'

const TAKEN = 'task is run by somebody else; its object is taken'
const STUCK = 'task is stuck: processing, but without any process; it holds nothing'

let sandbox: Sandbox
let sites: { nid: number; uri: string }[]

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  const { hostmaster } = sandbox
  const { server, platform } = await hostmaster.hostmasterSite()
  sites = []
  for (const uri of ['one.example.com', 'two.example.com']) {
    sites.push({ nid: await hostmaster.site({ uri, platform, dbServer: server }), uri })
  }
})
beforeEach(() => sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 2 WHERE task_status = -1'))
after(() => sandbox.close())

function queue(site: 0 | 1, args: Record<string, string> = {}): Promise<QueuedTask> {
  return sandbox.hostmaster.queueTask({ object: sites[site]?.nid ?? 0, type: 'verify', arguments: args })
}

/** An operator's drush, held still in the midst of its task; `go` lets it end. */
async function operator(
  words: string[],
  nid?: number,
): Promise<{ pid: number; nid: number; go: () => Promise<CommandResult> }> {
  const before = sandbox.journal().length
  const result = sandbox.run(sandbox.install.drush, ['@hostmaster', 'hosting-task', ...words])
  const started = await sandbox.waitFor(
    () =>
      sandbox
        .journal()
        .slice(before)
        .find((entry) => entry.event === 'start' && (nid === undefined || entry.nid === nid)),
    { what: 'the operator’s drush', timeoutMs: PATIENCE_MS },
  )
  process.kill(started.pid, 'SIGSTOP')
  const go = () => {
    process.kill(started.pid, 'SIGCONT')
    return result
  }
  return { pid: started.pid, nid: started.nid ?? 0, go }
}

/** What the web interface's “Update status” does: no log row says error, so that it takes the task for a success. */
function updateStatus(nid: number): Promise<number> {
  const statement = 'UPDATE hosting_task t JOIN node n ON n.vid = t.vid SET t.task_status = 1 WHERE n.nid = ?'
  return sandbox.hostmaster.execute(statement, [nid])
}

test('“Unlock Hosting Queue” and “Update status” during a run start nothing on its object; drush has the last word', async () => {
  const { hostmaster } = sandbox
  const { nid } = await queue(0, { sandbox_until: 'by hand', sandbox_end: 'warning' })
  const daemon = await startLeader(sandbox)
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  await hostmaster.execute("DELETE FROM semaphore WHERE name = 'hosting_queue_tasks_running'")
  assert.equal(await updateStatus(nid), 1)
  const behind = await queue(0)
  // The other site's task shows that tasks are started meanwhile.
  const besides = await queue(1)
  await waitForStatusOf(sandbox, 'the waiting tasks', ({ waiting }) => waiting.count === 2)
  assert.deepEqual(
    (await readStatus(sandbox)).running.map((run) => run.nid),
    [nid],
  )
  assert.deepEqual(
    (await hostmaster.semaphore()).map(({ name }) => name).filter((name) => !name.startsWith('skynet_run_')),
    ['hosting_queue_tasks_running'],
    'the lock row is there again',
  )
  sandbox.release('by hand')
  const ended = await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(ended['outcome'], 'warning')
  for (const task of [behind, besides]) await sandbox.waitForStatus(task.nid, 1, PATIENCE_MS)
  assert.equal(await hostmaster.currentStatus(nid), 3)
  for (const task of [nid, behind.nid, besides.nid]) assert.equal(sandbox.journalFile.of('start', task).length, 1)
  await stopDaemon(daemon)
})

test('what “Update status” wrote stays when drush dies afterwards, and the task is not run again', async () => {
  const { nid } = await queue(0, { sandbox_hang: '1' })
  const daemon = await startLeader(sandbox)
  const drush = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  await updateStatus(nid)
  process.kill(drush.pid, 'SIGKILL')
  const ended = await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.deepEqual([ended['outcome'], ended['signal']], ['success', 'KILL'])
  const next = await queue(0)
  await sandbox.waitForStatus(next.nid, 1, PATIENCE_MS)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  await stopDaemon(daemon)
})

test('an operator’s --force during a run of ours keeps the object taken until it ends too', async () => {
  const { nid } = await queue(0, { sandbox_until: 'first' })
  const daemon = await startLeader(sandbox)
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  const forced = await operator([String(nid), '--force'], nid)
  const behind = await queue(0)
  // The poll that found this one has found what was forced before it.
  await waitForStatusOf(sandbox, 'the waiting task', ({ waiting }) => waiting.count === 1)
  sandbox.release('first')
  const ended = await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(ended['outcome'], 'success')
  const status = await waitForStatusOf(sandbox, 'the forced run', (now) => now.foreign[0]?.pid === forced.pid)
  assert.deepEqual(
    status.waiting.next.map((task) => task.nid),
    [behind.nid],
  )
  assert.equal((await forced.go()).code, 0)
  await sandbox.waitForStatus(behind.nid, 1, PATIENCE_MS)
  const [last, started] = [sandbox.journalFile.of('end', nid).at(-1), sandbox.journalFile.of('start', behind.nid)[0]]
  assert.ok((last?.time ?? Infinity) <= (started?.time ?? 0), 'the next task starts after the end of the forced one')
  assert.equal(sandbox.journalFile.of('start', nid).length, 2)
  assert.equal(linesOf(daemon, 'task ended', nid).length, 1)
  await stopDaemon(daemon)
})

for (const form of ['hosting-task NID', 'hosting-task CONTEXT TYPE']) {
  test(`a foreign ${form} on an object keeps only that object waiting, until it ends`, async () => {
    const uri = sites[0]?.uri ?? ''
    const words =
      form === 'hosting-task NID'
        ? [String((await queue(0, { sandbox_ms: '300' })).nid)]
        : [`@${uri}`, 'verify', 'sandbox_ms=300']
    const foreign = await operator(words)
    const [behind, elsewhere] = [await queue(0), await queue(1)]
    const daemon = await startLeader(sandbox)
    await sandbox.waitForStatus(elsewhere.nid, 1, PATIENCE_MS)
    const status = await waitForStatusOf(sandbox, 'the foreign run', (now) => now.foreign[0]?.pid === foreign.pid)
    assert.deepEqual(status.foreign, [{ nid: foreign.nid, type: 'verify', object: uri, pid: foreign.pid }])
    assert.deepEqual(status.stuck, [])
    assert.deepEqual(
      status.waiting.next.map(({ nid }) => nid),
      [behind.nid],
    )
    assert.equal(
      status.waiting.next[0]?.reason,
      `It waits behind verify task ${foreign.nid} of ${uri}, which is running on the same object.`,
    )
    assert.deepEqual(sandbox.journalFile.of('start', behind.nid), [])
    assert.equal((await foreign.go()).code, 0)
    await sandbox.waitForStatus(behind.nid, 1, PATIENCE_MS)
    const [ended, started] = [
      sandbox.journalFile.of('end', foreign.nid)[0],
      sandbox.journalFile.of('start', behind.nid)[0],
    ]
    assert.ok(ended && started && started.time >= ended.time)
    assert.equal(linesOf(daemon, TAKEN, foreign.nid).length, 1)
    assert.deepEqual(linesOf(daemon, STUCK), [])
    await stopDaemon(daemon)
  })
}

test('the backend that an operator’s killed drush left behind keeps its object waiting; when it has gone, nothing does', async () => {
  const task = await queue(0, { sandbox_backend_ms: '300' })
  const drush = sandbox.run(sandbox.install.drush, ['@hostmaster', 'hosting-task', String(task.nid)])
  const backend = await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === task.nid, {
    timeoutMs: PATIENCE_MS,
  })
  process.kill(backend.pid, 'SIGSTOP')
  const [main] = sandbox.journalFile.of('start', task.nid)
  assert.ok(main)
  process.kill(main.pid, 'SIGKILL')
  await sandbox.waitFor(() => !existsSync(`/proc/${main.pid}`), { what: 'drush’s end' })
  const behind = await queue(0)
  const daemon = await startLeader(sandbox)
  const status = await waitForStatusOf(sandbox, 'the backend', ({ foreign }) => foreign[0]?.pid === backend.pid)
  assert.equal(status.waiting.count, 1)
  process.kill(backend.pid, 'SIGCONT')
  await sandbox.waitForStatus(behind.nid, 1, PATIENCE_MS)
  const [gone] = sandbox.journalFile.of('backend-end', task.nid)
  const [started] = sandbox.journalFile.of('start', behind.nid)
  assert.ok(gone && started && started.time >= gone.time)
  assert.equal((await drush).signal, 'SIGKILL')
  const { stuck } = await waitForStatusOf(sandbox, 'the stuck task', (now) => now.stuck.length === 1)
  assert.equal(stuck[0]?.nid, task.nid)
  assert.equal(await sandbox.hostmaster.currentStatus(task.nid), -1, 'what Skynet did not start it does not correct')
  await stopDaemon(daemon)
})

test('a stuck -1 row of 2019 keeps nothing waiting, not even on its own object; it is shown, logged once and left alone', async () => {
  const stuck = await sandbox.hostmaster.stuckTask({
    object: sites[0]?.nid ?? 0,
    type: 'migrate',
    executed: 1_550_000_000,
  })
  const rows = await sandbox.hostmaster.taskRows(stuck.nid)
  const tasks = [await queue(0), await queue(1), await queue(0)]
  const daemon = await startLeader(sandbox)
  for (const { nid } of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const status = await waitForStatusOf(sandbox, 'the stuck task', (now) => now.stuck.length > 0)
  assert.deepEqual(status.stuck, [{ nid: stuck.nid, type: 'migrate', object: sites[0]?.uri }])
  assert.deepEqual(status.foreign, [])
  const words = await sandbox.skynet(['status'])
  assert.match(words.stdout, new RegExp(`^Stuck: +${stuck.nid} +migrate one\\.example\\.com`, 'm'))
  assert.equal(linesOf(daemon, STUCK, stuck.nid).length, 1)
  assert.deepEqual(await sandbox.hostmaster.taskRows(stuck.nid), rows)
  assert.deepEqual(await sandbox.hostmaster.log(stuck.nid), [])
  await stopDaemon(daemon)
})

test('a run that one of ours starts inside itself belongs to it: neither foreign nor stuck', async () => {
  const outer = await queue(0, { sandbox_nested: `@${sites[1]?.uri} verify sandbox_ms=200` })
  const daemon = await startLeader(sandbox)
  const nested = await sandbox.waitForJournal(
    (entry) => entry.event === 'start' && entry.nid !== outer.nid && (entry.nid ?? 0) > outer.nid,
    { timeoutMs: PATIENCE_MS },
  )
  process.kill(nested.pid, 'SIGSTOP')
  // Queued behind it, so that a later poll than the nested run's start has been seen when this one is.
  const behind = await queue(1)
  const status = await waitForStatusOf(sandbox, 'the run and what waits', ({ waiting }) => waiting.count === 1)
  assert.deepEqual(
    { running: status.running.map(({ nid }) => nid), foreign: status.foreign, stuck: status.stuck },
    { running: [outer.nid], foreign: [], stuck: [] },
  )
  process.kill(nested.pid, 'SIGCONT')
  await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === behind.nid, { timeoutMs: PATIENCE_MS })
  for (const nid of [outer.nid, nested.nid ?? 0]) {
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
    assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  }
  assert.deepEqual([...linesOf(daemon, TAKEN), ...linesOf(daemon, STUCK)], [])
  assert.deepEqual(
    linesOf(daemon, 'task ended').map(({ nid, outcome }) => [nid, outcome]),
    [
      [outer.nid, 'success'],
      [behind.nid, 'success'],
    ],
  )
  await stopDaemon(daemon)
})
