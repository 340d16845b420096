import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { hostname } from 'node:os'
import { after, before, beforeEach, test } from 'node:test'
import { claimOrigin, claimValue } from '../../src/daemon/run-claim.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import { runName, type RunRecord } from '../../src/runner/run-record.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { configure, PATIENCE_MS, startLeader, stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

const REASON = ['--reason', 'the server lost power']

let sandbox: Sandbox
let records: RunRecords
let site: number
let daemon: DaemonProcess | undefined

before(async () => {
  sandbox = await Sandbox.create()
  ;[site = 0] = await makeSites(sandbox, 1)
  records = new RunRecords(sandbox)
})
after(() => sandbox.close())
beforeEach(async () => {
  if (daemon) await stopDaemon(daemon)
  daemon = undefined
  configure(sandbox)
})

/** The task's status, and the messages of type error in its log. */
async function outcome(nid: number): Promise<{ status: unknown; errors: string[] }> {
  const log = await sandbox.hostmaster.log(nid)
  return {
    status: await sandbox.hostmaster.currentStatus(nid),
    errors: log.filter(({ type }) => type === 'error').map(({ message }) => message),
  }
}

async function assertRefused(nid: number | string, words: RegExp, code = 1): Promise<void> {
  const before = typeof nid === 'number' ? await outcome(nid) : undefined
  const result = await sandbox.skynet(['fail', String(nid), ...REASON])
  assert.match(result.stderr, words)
  assert.equal(result.code, code, result.stderr)
  assert.equal(result.stdout, '')
  if (typeof nid === 'number') assert.deepEqual(await outcome(nid), before)
}

function recordOf(task: { nid: number; vid: number }, machine?: string): RunRecord {
  const processes = new ProcessTable()
  const now = Date.now()
  return {
    version: 1,
    run: runName(task, now),
    ...task,
    type: 'verify',
    rid: site,
    object: 'site',
    footprint: null,
    state: 'running',
    owner: { machine: machine ?? processes.machine, boot: processes.boot, pid: 999_999_999, started: 1 },
    child: { machine: machine ?? processes.machine, boot: processes.boot, pid: 999_999_998, started: 1 },
    planned_at: now,
    started_at: now,
    ended_at: null,
    settled_at: null,
    timed_out: false,
    exit: null,
    outcome: null,
  }
}

test('a stuck task is failed without a daemon: an error row with the reason, then status 2', async () => {
  const { nid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  const result = await sandbox.skynet(['fail', String(nid), '--reason', 'power\u001b[31m cut\nat night.'])
  assert.equal(result.code, 0, result.stderr)
  assert.match(result.stdout, new RegExp(`^Task ${nid} \\(verify s0-\\S+\\) has failed now`))
  const { status, errors } = await outcome(nid)
  assert.equal(status, 2)
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /^Skynet: marked as failed by an administrator: power cutat night\. The task was/)
})

test('a stuck task is failed beside a daemon, which then no longer lists it', async () => {
  const { nid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  daemon = await startLeader(sandbox)
  await waitForStatusOf(sandbox, `task ${nid} to be stuck`, ({ stuck }) => stuck.some((task) => task.nid === nid))
  const result = await sandbox.skynet(['fail', String(nid), ...REASON, '--json'])
  assert.equal(result.code, 0, result.stderr)
  assertFitsSchema('fail', JSON.parse(result.stdout))
  assert.deepEqual(
    { ...(JSON.parse(result.stdout) as object), vid: 0, object: '' },
    { ok: true, nid, vid: 0, type: 'verify', object: '', status: 'error' },
  )
  assert.equal((await outcome(nid)).status, 2)
})

test('a task is not failed while it waits, when it has ended, and when there is none', async () => {
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  await assertRefused(nid, /is still waiting/)
  await sandbox.hostmaster.cancel(nid)
  await assertRefused(nid, /has ended already \(warning\)/)
  await assertRefused(4_000_000_000, /There is no task 4000000000/)
})

test('a task is not failed while an operator’s drush works on it', async () => {
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: { sandbox_until: `go-${site}` },
  })
  const drush = sandbox.drush(['@hostmaster', 'hosting-task', String(nid)])
  await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
  await assertRefused(nid, /is being worked on: process \d+ is alive/)
  sandbox.release(`go-${site}`)
  await drush
})

test('a process of another unix user is not at work on our task: another Aegir of this machine has the same nids', async () => {
  const { nid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  // As root the sandbox belongs to another user than the test; else the two are one, and the process counts.
  const other = spawn('sh', ['-c', 'read _', 'drush', '@hostmaster', 'hosting-task', String(nid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  try {
    if (!sandbox.folder.account.drop) {
      await assertRefused(nid, /is being worked on: process \d+ is alive/)
      return
    }
    daemon = await startLeader(sandbox)
    await waitForStatusOf(sandbox, `task ${nid} to be stuck`, ({ stuck }) => stuck.some((task) => task.nid === nid))
    const result = await sandbox.skynet(['fail', String(nid), ...REASON])
    assert.equal(result.code, 0, result.stderr)
  } finally {
    other.stdin.end()
  }
})

test('a task is not failed while a run of ours works on it, nor while only the backend of that run is left', async () => {
  daemon = await startLeader(sandbox)
  const args = { sandbox_backend_ms: '60000' }
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: args })
  const start = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid)
  const backend = await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.sid === start.sid)
  await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
  await assertRefused(nid, new RegExp(`of Skynet's run \\S+ is alive[^]*skynet cancel ${nid}\\.`))
  process.kill(start.pid, 'SIGKILL')
  await waitForStatusOf(sandbox, 'the run to be orphaned', ({ running }) =>
    running.some((run) => run.nid === nid && run.state === 'orphaned'),
  )
  await assertRefused(nid, new RegExp(`process ${backend.pid} of Skynet's run \\S+ is alive`))
  // The same on the evidence alone.
  daemon.kill('SIGKILL')
  await daemon.exited
  daemon = undefined
  await assertRefused(nid, new RegExp(`process ${backend.pid} of Skynet's run \\S+ is alive`))
  process.kill(backend.pid, 'SIGKILL')
  daemon = await startLeader(sandbox)
  await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
})

test('a task whose run of ours is dead is failed without a daemon, and the next daemon leaves it so', async () => {
  const task = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  const record = recordOf({ nid: task.nid, vid: task.vid - 1 })
  records.write(record, { started: '999999998\n' })
  const result = await sandbox.skynet(['fail', String(task.nid), ...REASON])
  assert.equal(result.code, 0, result.stderr)
  assert.equal((await outcome(task.nid)).errors.length, 1)
  daemon = await startLeader(sandbox)
  await sandbox.waitFor(() => records.in('history').some(({ run }) => run === record.run), {
    what: 'the run to be settled',
    timeoutMs: PATIENCE_MS,
  })
  assert.deepEqual((await outcome(task.nid)).errors.length, 1)
  assert.equal((await outcome(task.nid)).status, 2)
})

test('a task that another machine, or another Skynet here, has claimed is not failed', async () => {
  const { nid, vid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  const origin = claimOrigin(new ProcessTable(), records.stateDirectory)
  const run = runName({ nid, vid: vid - 1 }, Date.now())
  const name = `skynet_run_${vid - 1}`
  const claim = (value: string) =>
    sandbox.hostmaster.execute('REPLACE INTO semaphore (name, value, expire) VALUES (?, ?, 4102444800)', [name, value])
  await claim(claimValue({ ...origin, machine: '0123456789ab' }, run))
  await assertRefused(nid, new RegExp(`claimed by a Skynet on another machine(.|\n)*name = '${name}'`))
  await claim(claimValue({ ...origin, stateDirectory: '0123456789ab' }, run))
  await assertRefused(nid, /claimed by another Skynet on this machine/)
  await claim(claimValue(origin, run))
  const result = await sandbox.skynet(['fail', String(nid), ...REASON])
  assert.equal(result.code, 0, result.stderr)
})

test('a task whose record another machine made is not failed', async () => {
  const { nid, vid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  const record = recordOf({ nid, vid: vid - 1 }, `not-${hostname()}`)
  records.write(record)
  await assertRefused(nid, new RegExp(`made on another machine(.|\n)*rm -r .*/runs/${record.run}`))
})

test('wrong usage ends with 2, an unreachable database with 69, and JSON says what happened', async () => {
  await assertRefused('x1', /not by “x1”/, 2)
  const missing = await sandbox.skynet(['fail', '12'])
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /--reason/)
  const empty = await sandbox.skynet(['fail', '12', '--reason', ' \n'])
  assert.equal(empty.code, 2, empty.stderr)
  const none = await sandbox.skynet(['fail', '12', ...REASON, '--json'])
  assert.equal(none.code, 1)
  assertFitsSchema('fail', JSON.parse(none.stdout))
  assert.equal((JSON.parse(none.stdout) as { ok: boolean; code: string }).code, 'FAILED')
  configure(sandbox, { database: { ...sandbox.databaseSection(), port: 1 } })
  await assertRefused(12, /Task 12 was not changed: nothing listens/, 69)
})
