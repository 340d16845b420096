import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

const WAITING = 300
const BEGINS = 'drush does not work; nothing is started until it does, and no task is blamed'
const ENDS = 'drush works again'

let sandbox: Sandbox
let records: RunRecords
let sites: number[]
const tasks: number[] = []

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  sites = await makeSites(sandbox, 40, { servers: 4 })
  configure(sandbox, { queue: { concurrent_tasks: 4 } })
})
afterEach(async () => {
  sandbox.configureDrush({ refuse_all: undefined, guard_gap_ms: 0 })
  sandbox.linkDrush()
  await sandbox.database.start()
  await endDaemons(sandbox)
})
after(() => sandbox.close())

/** Counts of the current statuses of all tasks. */
async function statuses(): Promise<Record<string, number>> {
  const rows = await sandbox.hostmaster.query<{ status: number; count: number }>(
    `SELECT t.task_status AS status, COUNT(*) AS count FROM node n JOIN hosting_task t USING (vid) GROUP BY t.task_status`,
  )
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
}

/** Queues tasks until so many wait. */
async function fill(): Promise<void> {
  const { 0: waiting = 0 } = await statuses()
  for (let number = waiting; number < WAITING; number++) {
    const object = sites[tasks.length % sites.length] ?? 0
    const args = { sandbox_ms: '10', sandbox_log: '0' }
    tasks.push((await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })).nid)
  }
}

/** Some tasks have got through, none was blamed, and the daemon leaves when those that run have ended. */
async function goesOnWithoutBlame(daemon: DaemonProcess): Promise<void> {
  await sandbox.waitFor(() => linesOf(daemon, 'task ended').filter((line) => line['outcome'] === 'success')[7], {
    what: 'tasks that get through',
    timeoutMs: PATIENCE_MS,
  })
  assert.deepEqual((await readStatus(sandbox)).parked, [])
  daemon.kill('SIGINT')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.deepEqual(linesOf(daemon, 'task is parked'), [])
  assert.deepEqual(linesOf(daemon, 'task is given up; it shows as failed in Aegir'), [])
  const known = await statuses()
  assert.deepEqual(Object.keys(known).sort(), ['0', '1'], 'none is red, none is left processing')
  const outcomes = new Set(records.in('history').map(({ outcome }) => outcome))
  assert.ok(
    [...outcomes].every((outcome) => outcome === 'success' || outcome === 'outage'),
    [...outcomes].join(),
  )
}

/** An outage that is there before the daemon comes: told once when it begins and once when it ends. */
async function outage(reason: RegExp, begin: () => void, end: () => void): Promise<void> {
  await fill()
  begin()
  const daemon = await startLeader(sandbox)
  const warned = await daemon.waitForLog(BEGINS, { timeoutMs: PATIENCE_MS })
  assert.equal(warned.level, 'warn')
  assert.match(String(warned['reason']), reason)
  const status = await readStatus(sandbox)
  assert.equal(status.waiting.count, WAITING)
  assert.match(status.hindrances.find(({ name }) => name === 'drush')?.message ?? '', reason)
  // The runs that were started before it was known are settled; the second probe is two seconds after the first.
  await sandbox.waitFor(async () => (await readStatus(sandbox)).running.length === 0, { what: 'no run' })
  const { waiting } = await readStatus(sandbox)
  assert.deepEqual(
    waiting.by_reason.map(({ reason, count }) => [reason, count]),
    [['outage', WAITING]],
    'those that were tried as well',
  )
  const started = linesOf(daemon, 'task started').length
  assert.ok(started <= 4, `${started} were started`)
  await sandbox.waitFor(() => Date.now() > Date.parse(String(warned.time)) + 1_500, { what: 'the first probe' })
  assert.equal(linesOf(daemon, 'task started').length, started, 'nothing is started meanwhile')
  end()
  const ended = await daemon.waitForLog(ENDS, { timeoutMs: PATIENCE_MS })
  assert.equal(ended.level, 'info')
  await goesOnWithoutBlame(daemon)
  assert.deepEqual([linesOf(daemon, BEGINS).length, linesOf(daemon, ENDS).length], [1, 1])
}

test('an overloaded machine during 300 waiting tasks turns none of them red and counts no attempt', () =>
  outage(
    /load on system too heavy/,
    () => sandbox.configureDrush({ refuse_all: 'load' }),
    () => sandbox.configureDrush({ refuse_all: undefined }),
  ))

test('a broken alias during 300 waiting tasks turns none of them red and counts no attempt', () =>
  outage(
    /Could not find the alias @hostmaster/,
    () => sandbox.configureDrush({ refuse_all: 'alias' }),
    () => sandbox.configureDrush({ refuse_all: undefined }),
  ))

test('a drush that is not in PATH during 300 waiting tasks turns none of them red and counts no attempt', () =>
  outage(
    /drush was not found in PATH; set \[drush\] command/,
    () => rmSync(join(sandbox.folder.path, 'bin/drush')),
    () => sandbox.linkDrush(),
  ))

test('a drush that is not executable during 300 waiting tasks turns none of them red and counts no attempt', () =>
  outage(
    /drush is not executable/,
    () => sandbox.linkDrush(sandbox.folder.writeFile('plain-file', '#!/bin/sh\n', 0o644)),
    () => sandbox.linkDrush(),
  ))

test('a database that drush cannot reach during 300 waiting tasks turns none of them red and counts no attempt', () =>
  outage(
    /not able to start \(bootstrap\) the Drupal database|cannot bootstrap/,
    () => sandbox.configureDrush({ refuse_all: 'database' }),
    () => sandbox.configureDrush({ refuse_all: undefined }),
  ))

for (const how of ['stop', 'kill'] as const) {
  test(`a database server that ends by ${how} during 300 waiting tasks, drush about to begin some, turns none of them red and counts no attempt`, async () => {
    await fill()
    // drush has looked at its task and not begun it yet when the server goes.
    sandbox.configureDrush({ guard_gap_ms: 3_000 })
    const daemon = await startLeader(sandbox)
    await sandbox.waitFor(() => linesOf(daemon, 'task started')[3], { what: 'four runs', timeoutMs: PATIENCE_MS })
    await sandbox.database[how]()
    const warned = await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
    assert.equal(warned.level, 'warn')
    await sandbox.waitFor(() => records.in('runs').every(({ state }) => state === 'ended'), {
      what: 'the end of the four',
      timeoutMs: PATIENCE_MS,
    })
    assert.equal((await readStatus(sandbox)).database.state, 'lost')
    sandbox.configureDrush({ guard_gap_ms: 0 })
    await sandbox.database.start()
    const back = await daemon.waitForLog('database is back', { timeoutMs: PATIENCE_MS })
    assert.equal(back.level, 'info')
    await goesOnWithoutBlame(daemon)
    for (const msg of ['database is not usable; waiting for it', 'database is back']) {
      assert.equal(linesOf(daemon, msg).length, 1, msg)
    }
    assert.deepEqual(linesOf(daemon, BEGINS), [])
  })
}

test('after all these outages every task runs once, and a second pass finds nothing to do', async () => {
  await fill()
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit({ timeoutMs: 180_000 }), { code: 0, signal: null }, daemon.lastWords())
  assert.deepEqual(await statuses(), { 1: tasks.length })
  const started = sandbox.journalFile.of('start').map(({ nid }) => nid)
  assert.equal(started.length, tasks.length)
  assert.deepEqual(new Set(started), new Set(tasks))
  const again = sandbox.startDaemon(['--once'])
  assert.deepEqual(await again.waitForExit(), { code: 0, signal: null })
  assert.deepEqual(linesOf(again, 'task started'), [])
})
