import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import { ProcessTable, type ProcessIdentity } from '../../src/runner/process-table.js'
import type { RunRecord } from '../../src/runner/run-record.js'
import type { DaemonProcess, LogEntry } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { waitFor } from '../sandbox/wait-for.js'

let sandbox: Sandbox
let records: RunRecords
let sites: number[]
const processes = new ProcessTable()

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  sites = await makeSites(sandbox, 12, { servers: 6 })
  configure(sandbox)
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

const site = (): number => {
  sites.push(sites.shift() ?? 0)
  return sites[0] ?? 0
}

/** Queues a task and waits until its drush is in the midst of it. */
async function runningTask(args: Record<string, string>): Promise<{ nid: number; vid: number; drush: number }> {
  const { nid, vid } = await sandbox.hostmaster.queueTask({ object: site(), type: 'verify', arguments: args })
  const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  await waitFor(() => records.of(nid)[0]?.child, { what: 'the child in the record' })
  return { nid, vid, drush: pid }
}

/** The only run of a task. */
function record(nid: number): RunRecord {
  const [first, ...others] = records.of(nid)
  assert.ok(first, `task ${nid} has a record`)
  assert.deepEqual(others, [])
  return first
}

async function killed(daemon: DaemonProcess): Promise<void> {
  daemon.kill('SIGKILL')
  await daemon.waitForExit()
}

/** Ends every process of a run, as a power cut does. */
async function endSession(record: RunRecord): Promise<void> {
  const session = processes.list().filter(({ session }) => session === record.child?.pid)
  for (const { pid } of session) process.kill(pid, 'SIGKILL')
  for (const { pid } of session)
    await waitFor(() => !processes.list().some((each) => each.pid === pid), { what: 'its end' })
}

function ended(daemon: DaemonProcess, nid: number): Promise<LogEntry> {
  return daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, {
    what: `the end of task ${nid} in the log`,
    timeoutMs: PATIENCE_MS,
  })
}

function journalOf(nid: number): string[] {
  return sandbox
    .journal()
    .filter((entry) => entry.nid === nid)
    .map(({ event }) => event)
}

/** A task whose drush and whose daemon were killed: its row says processing, its record says running. */
async function abandonedTask(): Promise<{ nid: number; vid: number; record: RunRecord }> {
  const daemon = sandbox.startDaemon()
  const task = await runningTask({ sandbox_hang: '1' })
  await killed(daemon)
  const found = record(task.nid)
  await endSession(found)
  assert.equal(await sandbox.hostmaster.currentStatus(task.nid), -1)
  return { ...task, record: found }
}

/** Starts a daemon and sees the task settled as failed, with its reason, and the next one follow. */
async function settlesAsFailed(nid: number): Promise<DaemonProcess> {
  const next = await sandbox.hostmaster.queueTask({ object: site(), type: 'verify' })
  const daemon = sandbox.startDaemon()
  const end = await ended(daemon, nid)
  assert.equal(end['outcome'], 'error')
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 2)
  const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
  assert.equal(errors.length, 1)
  assert.match(errors[0]?.message ?? '', /drush ended without a note of how .*\(run \d{8}T\d{9}Z-\d+-\d+\)/)
  assert.equal((await ended(daemon, next.nid))['outcome'], 'success')
  assert.deepEqual(journalOf(nid), ['start'])
  // The claims of settled runs are removed together, when the daemon has nothing else to do.
  const areRemoved = async () =>
    !(await sandbox.hostmaster.semaphore()).some(({ name }) => name.startsWith('skynet_run_'))
  await sandbox.waitFor(areRemoved, { what: 'the claims to be removed', timeoutMs: PATIENCE_MS })
  return daemon
}

describe('a daemon killed with kill -9 in the midst of a task', () => {
  test('is followed by one that adopts it, logs its outcome and duration at its only end, and runs the next', async () => {
    const killedOne = sandbox.startDaemon()
    const { nid } = await runningTask({ sandbox_until: 'adopted' })
    const next = await sandbox.hostmaster.queueTask({ object: site(), type: 'verify' })
    const before = record(nid)
    await killed(killedOne)
    const daemon = sandbox.startDaemon()
    const adopted = await daemon.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
    assert.equal(adopted['nid'], nid)
    assert.equal(record(nid).owner.pid, daemon.pid)
    assert.deepEqual(record(nid).child, before.child)
    assert.deepEqual(journalOf(nid), ['start'])

    const released = Date.now()
    sandbox.release('adopted')
    const end = await ended(daemon, nid)
    assert.equal(end['outcome'], 'success')
    assert.equal(end['exit_code'], 0)
    // The end of an adopted run is the time of its shell's note, and the kernel stamps files by ticks of at most 10 ms.
    const least = released - (sandbox.journalFile.of('start', nid)[0]?.time ?? 0) * 1000 - 10
    const duration = Number(end['duration_ms'])
    assert.ok(duration >= least && duration <= Date.now() - before.planned_at, `${duration} of ${least} ms`)
    await ended(daemon, next.nid)
    assert.deepEqual(journalOf(nid), ['start', 'end'])
    assert.deepEqual(journalOf(next.nid), ['start', 'end'])
    const [of, ofNext] = [sandbox.journalFile.of('end', nid)[0], sandbox.journalFile.of('start', next.nid)[0]]
    assert.ok((of?.time ?? Infinity) <= (ofNext?.time ?? 0), 'the next task starts after the end of the adopted one')
  })

  test('leaves a task that warns or fails to a successor that reports just that', async () => {
    const killedOne = sandbox.startDaemon(['--set', 'queue.concurrent_tasks=2'])
    const warns = await runningTask({ sandbox_until: 'both', sandbox_end: 'warning' })
    const fails = await runningTask({ sandbox_until: 'both', sandbox_end: 'error' })
    await killed(killedOne)
    const daemon = sandbox.startDaemon()
    await daemon.waitForLog((entry) => entry.msg === 'run adopted' && entry['nid'] === fails.nid, {
      timeoutMs: PATIENCE_MS,
    })
    sandbox.release('both')
    const [warned, failed] = [await ended(daemon, warns.nid), await ended(daemon, fails.nid)]
    assert.deepEqual([warned['outcome'], warned['exit_code']], ['warning', 0])
    assert.deepEqual([failed['outcome'], failed['exit_code']], ['error', 1])
    assert.deepEqual(await Promise.all([warns, fails].map(({ nid }) => sandbox.hostmaster.currentStatus(nid))), [3, 2])
    const errors = (await sandbox.hostmaster.log(fails.nid)).filter(({ type }) => type === 'error')
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['The sandbox told this task to fail'],
    )
  })

  test('whose task ends while no daemon runs is followed by one that finds outcome and exit status', async () => {
    const killedOne = sandbox.startDaemon()
    const { nid } = await runningTask({ sandbox_until: 'alone', sandbox_end: 'error' })
    const { child } = record(nid)
    await killed(killedOne)
    sandbox.release('alone')
    await waitFor(() => child && !processes.isAlive(child), { what: 'the end of the run', timeoutMs: PATIENCE_MS })
    const daemon = sandbox.startDaemon()
    const end = await ended(daemon, nid)
    assert.deepEqual([end['outcome'], end['exit_code'], end['signal']], ['error', 1, null])
    assert.deepEqual(journalOf(nid), ['start', 'end'])
  })

  test('whose tasks end one by one before, at and after the look of its successor loses none of them', async () => {
    const many = ['--set', 'queue.concurrent_tasks=10']
    const killedOne = sandbox.startDaemon(many)
    const tasks: number[] = []
    for (let number = 0; number < 10; number++) {
      const args = { sandbox_until: `end-${number}` }
      tasks.push((await sandbox.hostmaster.queueTask({ object: site(), type: 'verify', arguments: args })).nid)
    }
    for (const nid of tasks) await waitFor(() => journalOf(nid)[0], { what: 'its start', timeoutMs: PATIENCE_MS })
    await killed(killedOne)
    const daemon = sandbox.startDaemon(many)
    sandbox.release('end-0')
    sandbox.release('end-1')
    await daemon.waitForLog('skynet starts', { timeoutMs: PATIENCE_MS })
    for (let number = 2; number < 10; number++) {
      sandbox.release(`end-${number}`)
      await delay(50)
    }
    for (const nid of tasks) {
      assert.equal((await ended(daemon, nid))['outcome'], 'success')
      assert.deepEqual(journalOf(nid), ['start', 'end'])
      assert.equal(linesOf(daemon, 'task ended', nid).length, 1)
    }
  })
})

describe('a run whose child is gone is settled at once', () => {
  test('when nothing took its pid', async () => {
    const { nid } = await abandonedTask()
    await settlesAsFailed(nid)
  })

  test('when its pid is now that of another program, which is left alone', async () => {
    const { nid, record } = await abandonedTask()
    const other = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
    try {
      await once(other, 'spawn')
      const child = { ...(record.child as ProcessIdentity), pid: other.pid ?? 0 }
      records.write({ ...record, child })
      const daemon = await settlesAsFailed(nid)
      assert.equal(linesOf(daemon, 'run adopted', nid).length, 1)
      assert.equal(other.exitCode ?? other.signalCode, null)
    } finally {
      other.kill('SIGKILL')
    }
  })

  test('when its machine was booted again since, even with a process of the same pid and start time', async () => {
    const { nid, record } = await abandonedTask()
    const other = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
    try {
      await once(other, 'spawn')
      const identity = processes.identify(other.pid ?? 0) as ProcessIdentity
      const boot = '00000000-0000-4000-8000-000000000000'
      records.write({ ...record, owner: { ...record.owner, boot }, child: { ...identity, boot } })
      await settlesAsFailed(nid)
      assert.equal(other.exitCode ?? other.signalCode, null)
    } finally {
      other.kill('SIGKILL')
    }
  })

  test('when it is a zombie that nobody collects', async () => {
    const { nid, record } = await abandonedTask()
    // The parent replaces itself by a program that never waits for the child that it inherits.
    const parent = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const [text] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(text.toString())
      const identity = processes.identify(pid) as ProcessIdentity
      await waitFor(() => processes.read(pid)?.dead, { what: 'the zombie' })
      records.write({ ...record, child: identity })
      await settlesAsFailed(nid)
      assert.equal(processes.read(pid)?.dead, true)
    } finally {
      parent.kill('SIGKILL')
    }
  })
})

describe('a run that a daemon took back which was frozen as it wrote, and leads no more', () => {
  async function takenBack(until: string, args: string[] = []): Promise<{ nid: number; daemon: DaemonProcess }> {
    const daemon = sandbox.startDaemon(args)
    const { nid } = await runningTask({ sandbox_until: until })
    takeBack(await written(nid))
    return { nid, daemon }
  }

  function written(nid: number): Promise<RunRecord> {
    const isRunning = () => records.of(nid).find(({ state }) => state === 'running')
    return waitFor(isRunning, { what: 'its record' })
  }

  /** The other daemon knows nothing of a cancellation. */
  function takeBack(record: RunRecord): void {
    const owner = { ...record.owner, pid: record.owner.pid + 1_000_000 }
    records.write({ ...record, owner, cancellation: undefined })
  }

  async function isSettled({ nid, daemon }: { nid: number; daemon: DaemonProcess }): Promise<void> {
    assert.equal((await ended(daemon, nid))['outcome'], 'success')
    assert.equal(linesOf(daemon, 'run adopted', nid).length, 1)
    assert.deepEqual(journalOf(nid), ['start', 'end'])
    assert.equal(record(nid).owner.pid, daemon.pid)
  }

  test('is adopted once more and settled', async () => {
    const taken = await takenBack('taken back')
    sandbox.release('taken back')
    await isSettled(taken)
  })

  test('is so too by a daemon that was told to leave when its runs have ended', async () => {
    const taken = await takenBack('told to leave')
    taken.daemon.kill('SIGINT')
    sandbox.release('told to leave')
    await isSettled(taken)
    assert.equal((await taken.daemon.waitForExit()).code, 0)
  })

  test('is so too by a daemon that does not stand by, while the server still keeps its own last connection', async (t) => {
    const { host, port } = sandbox.database
    await using proxy = await Proxy.listen({ host, port })
    configure(sandbox, { database: { ...sandbox.databaseSection(), port: proxy.port } })
    t.after(() => configure(sandbox))
    const taken = await takenBack('no standby', ['--no-standby'])
    proxy.keep()
    sandbox.release('no standby')
    // Again and again, and with nothing else than that: a stranger's lock it would not wait for.
    const waits = new Set<number>()
    const waiting = `SELECT QUERY_ID AS id FROM information_schema.PROCESSLIST
      WHERE STATE = 'User lock' AND INFO LIKE 'SELECT GET\\_LOCK(%) AS got'`
    const isAwaited = async () => {
      for (const { id } of await sandbox.hostmaster.query<{ id: number }>(waiting)) waits.add(id)
      return waits.size > 2
    }
    await waitFor(isAwaited, { what: 'the daemon to wait for the lock', timeoutMs: PATIENCE_MS })
    proxy.letGo()
    await isSettled(taken)
  })

  test('is ended all the same where it was cancelled before that', async () => {
    const daemon = sandbox.startDaemon()
    const { nid } = await runningTask({ sandbox_hang: '1' })
    await written(nid)
    let cancelled: Promise<CommandResult> | undefined
    await sandbox.hostmaster.transaction(async (connection) => {
      // Its log has to say why before drush is ended, and waits for this.
      await connection.query('SELECT lid FROM hosting_task_log FOR UPDATE')
      cancelled = sandbox.skynet(['cancel', String(nid)])
      takeBack(await waitFor(() => records.of(nid).find(({ cancellation }) => cancellation), { what: 'the record' }))
    })
    assert.equal((await cancelled)?.code, 0)
    const { outcome, signal } = await ended(daemon, nid)
    assert.deepEqual([outcome, signal], ['error', 'TERM'])
    assert.equal(linesOf(daemon, 'run adopted', nid).length, 1)
    const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
    assert.equal(errors.length, 2)
  })
})

test('a daemon whose run the next leader has adopted stands by, and leaves when it is told to', async () => {
  const frozen = sandbox.startDaemon()
  await frozen.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const { nid, drush } = await runningTask({ sandbox_backend_ms: '5000' })
  await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  const next = sandbox.startDaemon()
  await next.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  frozen.kill('SIGSTOP')
  const name = leaderLockName(sandbox.hostmaster.credentials.db)
  const [holder] = await sandbox.hostmaster.query<{ id: number }>('SELECT IS_USED_LOCK(?) AS id', [name])
  await sandbox.hostmaster.execute('KILL ?', [holder?.id])
  await next.waitForLog((entry) => entry.msg === 'run adopted' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  frozen.kill('SIGCONT')
  await frozen.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  // What it still follows becomes orphaned, and as it notes that it learns whose the run is.
  process.kill(drush, 'SIGKILL')
  await next.waitForLog('drush is gone but its backend goes on; its object stays taken', { timeoutMs: PATIENCE_MS })
  assert.equal((await ended(next, nid))['outcome'], 'error')
  frozen.kill('SIGINT')
  assert.equal((await frozen.waitForExit()).code, 0)
  assert.deepEqual(linesOf(frozen, 'task ended'), [])
})

describe('a claim in the database whose record on disk was lost', () => {
  test('leads to the living child, which is followed to its only end', async () => {
    const killedOne = sandbox.startDaemon()
    const { nid } = await runningTask({ sandbox_until: 'recovered' })
    await killed(killedOne)
    rmSync(records.folder(record(nid).run), { recursive: true })
    const daemon = sandbox.startDaemon()
    const next = await sandbox.hostmaster.queueTask({ object: site(), type: 'verify' })
    const recovered = await daemon.waitForLog('record of a run was lost; rebuilt from its claim', {
      timeoutMs: PATIENCE_MS,
    })
    assert.equal(recovered['nid'], nid)
    sandbox.release('recovered')
    assert.equal((await ended(daemon, nid))['outcome'], 'success')
    await ended(daemon, next.nid)
    assert.deepEqual(journalOf(nid), ['start', 'end'])
    const [end, start] = [sandbox.journalFile.of('end', nid)[0], sandbox.journalFile.of('start', next.nid)[0]]
    assert.ok((end?.time ?? Infinity) <= (start?.time ?? 0), 'nothing else starts while the recovered run lives')
  })

  test('turns the task red, with the reason, where its child is gone too', async () => {
    const { nid } = await abandonedTask()
    rmSync(records.stateDirectory, { recursive: true })
    await settlesAsFailed(nid)
  })

  test('of which no child ever came leaves the task to be run, once, and no attempt is counted', async () => {
    const { nid, record } = await abandonedTask()
    const object = record.rid
    await settlesAsFailed(nid)
    await endDaemons(sandbox)
    const { nid: queued, vid } = await sandbox.hostmaster.queueTask({ object, type: 'verify' })
    const claim = await claimOf(record, queued, vid)
    await sandbox.hostmaster.execute('INSERT INTO semaphore (name, value, expire) VALUES (?, ?, 4102444800)', claim)
    const daemon = sandbox.startDaemon()
    await sandbox.waitForStatus(queued, 1, PATIENCE_MS)
    assert.deepEqual(journalOf(queued), ['start', 'end'])
    assert.deepEqual(linesOf(daemon, 'task is parked'), [])
  })
})

/** Name and value of the claim that a run of this state directory makes for another queueing. */
async function claimOf({ run: earlier }: RunRecord, nid: number, vid: number): Promise<[string, string]> {
  const daemon = sandbox.startDaemon()
  const other = await runningTask({ sandbox_hang: '1' })
  const name = `skynet_run_${other.vid}`
  const claim = (await sandbox.hostmaster.semaphore()).find((row) => row.name === name)
  assert.ok(claim)
  await killed(daemon)
  await endSession(record(other.nid))
  const run = earlier.replace(/-\d+-\d+$/, `-${nid}-${vid}`)
  return [`skynet_run_${vid}`, claim.value.replace(record(other.nid).run, run)]
}

test('a record of another machine is shown by skynet status and stays as it is', async () => {
  const { nid, record } = await abandonedTask()
  const foreign = {
    ...record,
    run: record.run.replace('Z-', 'Z-9'),
    owner: { ...record.owner, machine: 'another-machine' },
    child: { ...(record.child as ProcessIdentity), machine: 'another-machine' },
  }
  records.write(foreign)
  await settlesAsFailed(nid)
  const status = await readStatus(sandbox)
  assert.deepEqual(status.untouchable_records, [{ run: foreign.run, reason: 'it belongs to another machine' }])
  assert.match((await sandbox.skynet(['status'])).stdout, new RegExp(foreign.run))
  assert.deepEqual(
    records.in('runs').find(({ run }) => run === foreign.run),
    foreign,
  )
  rmSync(records.folder(foreign.run), { recursive: true })
})

test('a record that cannot be read is shown by skynet status, left alone, and stops nothing', async () => {
  const run = '20260101T000000000Z-77-78'
  records.write({ run } as RunRecord, { 'record.json': '{"version": 1, "ru' })
  const daemon = sandbox.startDaemon()
  const { nid } = await sandbox.hostmaster.queueTask({ object: site(), type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await daemon.waitForLog('record of a run cannot be used; it is left alone')
  const status = await readStatus(sandbox)
  assert.ok(status.untouchable_records.some((each) => each.run === run && /not JSON/.test(each.reason)))
  rmSync(records.folder(run), { recursive: true })
})
