import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

/** A minute of the daemon's clock takes a tenth of a second. */
const SPEED = 600
const SECOND = 1000
const MINUTE = 60 * SECOND

let sandbox: Sandbox
let records: RunRecords
let sites: number[]
const refused: number[] = []

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  sites = await makeSites(sandbox, 4, { servers: 4 })
})
afterEach(async () => {
  refused.length = 0
  sandbox.configureDrush({ refuse_nids: [] })
  await endDaemons(sandbox)
})
after(() => sandbox.close())

/** Polls as often as a daemon with a common clock would. */
const configureFast = () => configure(sandbox, { queue: { poll_interval: `${(50 * SPEED) / 1000}s` } })

/** Queues a task, of which drush knows before it is committed that it will refuse it. */
async function refusedTask(object: number): Promise<{ nid: number; vid: number }> {
  return sandbox.hostmaster.transaction(async (connection) => {
    const task = await sandbox.hostmaster.queueTaskWithin(connection, { object, type: 'verify' })
    refused.push(task.nid)
    sandbox.configureDrush({ refuse_nids: refused })
    return task
  })
}

test('a task that drush never begins is tried five times, after 30 s, 2 min, 10 min and an hour, and is then red with the reason', async () => {
  configureFast()
  const { nid, vid } = await refusedTask(sites[0] ?? 0)
  const behind = await sandbox.hostmaster.queueTask({ object: sites[0] ?? 0, type: 'verify' })
  const elsewhere = await sandbox.hostmaster.queueTask({ object: sites[1] ?? 0, type: 'verify' })
  const daemon = sandbox.startFastDaemon(SPEED)
  await sandbox.waitForStatus(elsewhere.nid, 1, PATIENCE_MS)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 0, 'everything else goes on meanwhile')
  await sandbox.waitForStatus(nid, 2, 2 * PATIENCE_MS)

  const parked = linesOf(daemon, 'task is parked', nid)
  assert.deepEqual(
    parked.map(({ attempt }) => attempt),
    [1, 2, 3, 4],
  )
  assert.equal(linesOf(daemon, 'task is given up; it shows as failed in Aegir', nid).length, 1)
  const waits = [30 * SECOND, 2 * MINUTE, 10 * MINUTE, 60 * MINUTE]
  const refusals = sandbox.journalFile.of('refused', nid)
  assert.equal(refusals.length, 5)
  for (const [index, wait] of waits.entries()) {
    const [one, next] = [refusals[index]?.time ?? 0, refusals[index + 1]?.time ?? 0]
    const gap = (next - one) * SECOND * SPEED
    assert.ok(gap >= wait, `wait ${index + 1} took ${gap / MINUTE} min`)
    // A busy machine may be late, by seconds of its own time; the next longer wait is five times as long.
    if (index > 1) assert.ok(gap < 2 * wait + 3 * SECOND * SPEED, `wait ${index + 1} took ${gap / MINUTE} min`)
  }

  const rows = await sandbox.hostmaster.taskRows(nid)
  assert.deepEqual(
    rows.map((row) => [row.vid, row.task_status]),
    [[vid, 2]],
  )
  const log = await sandbox.hostmaster.log(nid)
  assert.deepEqual(
    log.map((row) => [row.vid, row.type]),
    [[vid, 'error']],
  )
  assert.match(log[0]?.message ?? '', /started 5 times .* never began it; the last time it exited with status 1 \(run /)
  assert.deepEqual(
    records.of(nid).map(({ outcome }) => outcome),
    Array(5).fill('not started'),
  )
  await sandbox.waitForStatus(behind.nid, 1, PATIENCE_MS)
  assert.deepEqual(linesOf(daemon, 'drush does not work; nothing is started until it does, and no task is blamed'), [])
})

test('a task that gets through in the end is not blamed, and status names the parked one while it waits', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const { nid } = await refusedTask(sites[0] ?? 0)
  await daemon.waitForLog('task is parked', { timeoutMs: PATIENCE_MS })
  const [parked] = (await readStatus(sandbox)).parked
  assert.deepEqual([parked?.nid, parked?.attempts], [nid, 1])
  assert.match(parked?.reason ?? '', /exited with status 1/)
  const { stdout, code } = await sandbox.skynet(['status'])
  assert.match(
    stdout,
    new RegExp(`Parked: +${nid} verify \\S+, 1 attempt, again in \\d+ s: drush exited with status 1`),
  )
  assert.equal(code, 1, 'an operator should see to it')

  daemon.kill('SIGTERM')
  await daemon.waitForExit()
  sandbox.configureDrush({ refuse_nids: [] })
  configureFast()
  sandbox.startFastDaemon(SPEED)
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
})

test('a restart forgets no attempt and does not shorten the wait', async () => {
  configure(sandbox)
  const first = await startLeader(sandbox)
  const { nid } = await refusedTask(sites[0] ?? 0)
  const parked = await first.waitForLog('task is parked', { timeoutMs: PATIENCE_MS })
  // By now the attempt is on disk; the task of the test before may end here too.
  await first.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  first.kill('SIGKILL')
  await first.waitForExit()
  await startLeader(sandbox)
  const [known] = await sandbox.waitFor(
    async () => {
      const status = await readStatus(sandbox)
      return status.role === 'leader' && status.parked.length > 0 && status.parked
    },
    { what: 'the parked task', timeoutMs: PATIENCE_MS },
  )
  assert.deepEqual([known?.nid, known?.attempts], [nid, 1])
  const until = Date.parse(String(parked['until']))
  const later = (known?.until ?? 0) - until
  assert.ok(later >= 0 && later < 5_000, `by ${later} ms`)
  assert.equal(sandbox.journalFile.of('refused', nid).length, 1)
  await sandbox.hostmaster.cancel(nid)
})

test('tasks that never start do not keep those behind them from running', async () => {
  configure(sandbox)
  const bad = [await refusedTask(sites[0] ?? 0), await refusedTask(sites[1] ?? 0), await refusedTask(sites[2] ?? 0)]
  const good: number[] = []
  for (let number = 0; number < 3; number++) {
    good.push((await sandbox.hostmaster.queueTask({ object: sites[3] ?? 0, type: 'verify' })).nid)
  }
  await startLeader(sandbox)
  for (const nid of good) await sandbox.waitForStatus(nid, 1, 2 * PATIENCE_MS)
  for (const { nid } of bad) {
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 0)
    await sandbox.hostmaster.cancel(nid)
  }
})

test('a task that is refused after the clock was set back is parked as ever, not started again and again', async () => {
  configure(sandbox)
  const clock = sandbox.folder.writeFile('home/clock', '0')
  const daemon = sandbox.startFastDaemon(1, [], { SANDBOX_CLOCK_SET: clock })
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  sandbox.folder.writeFile('home/clock', String(-60 * MINUTE))
  const { nid } = await refusedTask(sites[3] ?? 0)
  await daemon.waitForLog((entry) => entry.msg === 'task is parked' && entry['nid'] === nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(sandbox.journalFile.of('refused', nid).length, 1)
  await sandbox.hostmaster.cancel(nid)
})
