import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, startLeader } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 3, { servers: 3 })
  configure(sandbox)
})
afterEach(async () => {
  sandbox.configureDrush({ refuse_all: undefined, refuse_nids: [] })
  await endDaemons(sandbox)
})
after(() => sandbox.close())

const queue = async (args: Record<string, string> = {}, object = sites[0] ?? 0): Promise<number> =>
  (await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })).nid

test('--once drains the queue, tasks that come meanwhile and failing ones included, and exits 0', async () => {
  const first = [await queue({ sandbox_until: 'joined' }), await queue({ sandbox_end: 'error' })]
  const daemon = sandbox.startDaemon(['--once'])
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === first[0], {
    timeoutMs: PATIENCE_MS,
  })
  const late = await queue({ sandbox_end: 'warning' }, sites[1])
  sandbox.release('joined')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  const statuses = await Promise.all([...first, late].map((nid) => sandbox.hostmaster.currentStatus(nid)))
  assert.deepEqual(statuses, [1, 2, 3])
  assert.equal(linesOf(daemon, 'task ended').length, 3)
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [], 'neither claims nor the lock row stay behind')
  assert.deepEqual(new RunRecords(sandbox).in('runs'), [])
})

test('--once with nothing to do exits 0', async () => {
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.deepEqual(linesOf(daemon, 'task started'), [])
})

test('--once with a drush that does not work exits 1 with the reason, and the task is still queued', async () => {
  sandbox.configureDrush({ refuse_all: 'alias' })
  const nid = await queue()
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 1, signal: null })
  assert.match(daemon.stderr, /^skynet: drush does not work: .*Could not find the alias @hostmaster/)
  assert.match(daemon.stderr, /drush @hostmaster status/)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 0)
  await sandbox.hostmaster.cancel(nid)
})

test('--once leaves a task that drush refuses queued and says so, does the others, and exits 0', async () => {
  const refused = await queue({}, sites[1])
  sandbox.configureDrush({ refuse_nids: [refused] })
  const fine = await queue({}, sites[2])
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.equal(linesOf(daemon, 'task is parked', refused).length, 1)
  assert.equal(await sandbox.hostmaster.currentStatus(refused), 0)
  assert.equal(await sandbox.hostmaster.currentStatus(fine), 1)
  await sandbox.hostmaster.cancel(refused)
})

test('--once finishes what a killed daemon left running', async () => {
  const leader = await startLeader(sandbox)
  const nid = await queue({ sandbox_until: 'drained' })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  leader.kill('SIGKILL')
  await leader.waitForExit()
  const once = sandbox.startDaemon(['--once'])
  await once.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  sandbox.release('drained')
  assert.deepEqual(await once.waitForExit(), { code: 0, signal: null })
  assert.equal(linesOf(once, 'task ended', nid)[0]?.['outcome'], 'success')
})

test('--once beside a leading daemon exits 75', async () => {
  await startLeader(sandbox)
  const once = sandbox.startDaemon(['--once'])
  assert.deepEqual(await once.waitForExit(), { code: 75, signal: null })
  assert.match(once.stderr, /Another daemon leads/)
})

test('[drush] timeout ends a hanging task, whose error row names the limit', async () => {
  configure(sandbox, { drush: { timeout: '2s' } })
  const nid = await queue({ sandbox_hang: '1' })
  const next = await queue()
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null }, daemon.lastWords())
  assert.equal(linesOf(daemon, 'run is longer than its time limit; it is being ended', nid).length, 1)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 2)
  const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
  assert.equal(errors.length, 1)
  assert.match(errors[0]?.message ?? '', /ended by signal TERM .*longer than the limit .*\[drush\] timeout/)
  assert.equal(await sandbox.hostmaster.currentStatus(next), 1)
})

test('[timeouts] limits a type, and outranks [drush] timeout; also for a task that runs when it is set', async () => {
  configure(sandbox, { drush: { timeout: '1s' }, timeouts: { verify: 'none' } })
  const nid = await queue({ sandbox_hang: '1' })
  const daemon = sandbox.startDaemon(['--once'])
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid)
  configure(sandbox, { timeouts: { verify: '2s', migrate: '1s' } })
  await daemon.waitForLog('configuration changed')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null }, daemon.lastWords())
  const [run] = linesOf(daemon, 'task ended', nid)
  assert.ok(Number(run?.['duration_ms']) >= 2_000, JSON.stringify(run))
  const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
  assert.match(errors[0]?.message ?? '', /longer than the limit .*\[timeouts\]/)
})

test('[drush] timeout kills, half a minute later, what ignores its TERM, and what that left behind', async () => {
  configure(sandbox, { drush: { timeout: '60s' }, queue: { poll_interval: '2s' } })
  const nid = await queue({ sandbox_ignore_term: '1', sandbox_hang: '1', sandbox_outlive_ms: '600000' })
  const daemon = sandbox.startFastDaemon(30, ['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null }, daemon.lastWords())
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 2, daemon.lastWords())
  const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
  assert.match(errors.map(({ message }) => message).join(), /longer than the limit .*\[drush\] timeout/)
  assert.match(errors[0]?.message ?? '', /ended by signal KILL/)
  const session = sandbox.journalFile.of('start', nid)[0]?.sid
  assert.deepEqual(
    new ProcessTable().list().filter((process) => process.session === session),
    [],
  )
})
