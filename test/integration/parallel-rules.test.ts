import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import type { RunRecord } from '../../src/runner/run-record.js'
import type { WaitingTask } from '../../src/scheduler/plan.js'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import { check, type Fault } from '../sandbox/conflict-checker.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import type { JournalEntry } from '../sandbox/journal.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import type { TaskSpec } from '../sandbox/node-rows.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { intervalsOf } from '../sandbox/task-intervals.js'
import { buildWorld, type World } from '../sandbox/world.js'

let sandbox: Sandbox
let world: World
let records: RunRecords
let journalBefore = 0

before(async () => {
  sandbox = await Sandbox.create()
  world = await buildWorld(sandbox, { servers: 3, packed: 0, platforms: 13, sites: 81 })
  records = new RunRecords(sandbox)
})
beforeEach(() => {
  journalBefore = sandbox.journal().length
})
afterEach(async () => {
  await endDaemons(sandbox)
  // Nothing of one test is left for the next one to run, also where it failed.
  await sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 3 WHERE task_status IN (0, -1)')
  for (const { child } of records.in('runs')) if (child) endSession(child.pid)
})
after(() => sandbox.close())

function endSession(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Hundreds are queued in bulk, while no drush is at work; a few as Aegir does, which may be done at any time. */
async function queue(...specs: TaskSpec[]): Promise<WaitingTask[]> {
  const { hostmaster } = sandbox
  if (specs.length > 100) return queueTasks(hostmaster, specs)
  return hostmaster.transaction(async (connection) => {
    const tasks: WaitingTask[] = []
    for (const spec of specs) {
      const { object, type, changed = Math.floor(Date.now() / 1000), arguments: args = {} } = spec
      const { nid, vid } = await hostmaster.queueTaskWithin(connection, { ...spec, changed })
      tasks.push({ nid, vid, type, rid: object, changed, arguments: args })
    }
    return tasks
  })
}

/** The first of a list, all of which there must be. */
function take<Count extends 1 | 2 | 3>(count: Count, nids: readonly number[]) {
  assert.ok(nids.length >= count)
  return nids as unknown as { 1: [number]; 2: [number, number]; 3: [number, number, number] }[Count]
}

/** The sites of a platform. */
function sitesOf(platform: number | undefined): number[] {
  return world.sites.filter((nid) => world.topology.sites.get(nid)?.platform === platform)
}

/** The platforms of a server, Aegir's own not among them. */
function platformsOf(server: number | undefined): number[] {
  return world.platforms.filter((nid) => world.topology.platforms.get(nid)?.webServer === server)
}

function begun(nid: number): Promise<JournalEntry> {
  return sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    what: `the start of task ${nid}`,
    timeoutMs: PATIENCE_MS,
  })
}

function hasBegun(nid: number): boolean {
  return sandbox.journalFile.of('start', nid).length > 0
}

/** The run of a task, once there is one. */
function runOf(nid: number): Promise<RunRecord> {
  const started = () => records.of(nid).find(({ started_at }) => started_at !== null)
  return sandbox.waitFor(started, { what: `a run of task ${nid}`, timeoutMs: PATIENCE_MS })
}

/** Those of the tasks that run now. */
function runningOf(tasks: readonly WaitingTask[]): WaitingTask[] {
  const nids = new Set(records.in('runs').map(({ nid }) => nid))
  return tasks.filter(({ nid }) => nids.has(nid))
}

/** Milliseconds of the longest run of these tasks, when all of them have ended. */
async function longest(tasks: readonly WaitingTask[]): Promise<number> {
  const settled = () => {
    const runs = records.in('history').filter(({ nid }) => tasks.some((task) => task.nid === nid))
    return runs.length === tasks.length && runs
  }
  assert.ok(tasks.length > 0)
  const runs = await sandbox.waitFor(settled, { what: 'the end of what ran', timeoutMs: PATIENCE_MS })
  return Math.max(...runs.map(({ settled_at, planned_at }) => (settled_at ?? 0) - planned_at))
}

/** What the independent checker finds in the journal since this test began. */
function faults(tasks: readonly WaitingTask[]): Fault[] {
  return check(intervalsOf(sandbox.journal().slice(journalBefore), tasks), world.topology)
}

/** Verifies of all sites but these, over and over; of different lengths, so that they do not end all at once. */
function bulk(count: number, without: readonly number[] = []): TaskSpec[] {
  const sites = world.sites.filter((nid) => !without.includes(nid))
  const changed = Math.floor(Date.now() / 1000) - 60
  return [...Array(count).keys()].map((i) => {
    const args = { sandbox_ms: String(400 + (i % 5) * 200) }
    return { object: sites[i % sites.length] ?? 0, type: 'verify', arguments: args, changed }
  })
}

test('a login-reset behind 500 bulk verifies starts within the length of one task', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 3 } })
  const [site] = take(1, world.sites)
  const verifies = await queue(...bulk(500, [site]))
  await startLeader(sandbox)
  await sandbox.waitFor(() => records.in('runs').length === 3, { what: 'all slots taken', timeoutMs: PATIENCE_MS })
  const inTheWay = runningOf(verifies)
  const queuedAt = Date.now()
  const [login] = await queue({ object: site, type: 'login-reset' })
  assert.ok(login)
  const { started_at } = await runOf(login.nid)
  await sandbox.waitForStatus(login.nid, 1, PATIENCE_MS)
  const waited = (started_at ?? Infinity) - queuedAt
  const length = await longest(inTheWay)
  assert.ok(waited <= length, `it waited ${waited} ms; the longest verify that ran took ${length} ms`)
  const { waiting } = await readStatus(sandbox)
  assert.ok(waiting.count > 400, 'the verifies still wait')
})

test('so it does while a server verify waits behind a long clone, which no verify overtakes', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 3 } })
  const [server] = take(1, world.servers)
  const [platform, target, other] = take(3, platformsOf(server))
  const [cloned] = take(1, sitesOf(platform))
  const [site] = take(1, sitesOf(other))
  const args = { target_platform: String(target), new_uri: 'long-clone.example.com', sandbox_until: 'cloned' }
  const [clone] = await queue({ object: cloned, type: 'clone', arguments: args })
  await startLeader(sandbox)
  assert.ok(clone)
  await begun(clone.nid)
  const [verify] = await queue({ object: server, type: 'verify', changed: Math.floor(Date.now() / 1000) - 120 })
  assert.ok(verify)
  const verifies = await queue(...bulk(500, [site]))
  await sandbox.waitFor(() => records.in('runs').length === 3, { what: 'all slots taken', timeoutMs: PATIENCE_MS })
  const inTheWay = runningOf(verifies)
  const queuedAt = Date.now()
  const [login] = await queue({ object: site, type: 'login-reset' })
  assert.ok(login)
  const { started_at } = await runOf(login.nid)
  await sandbox.waitForStatus(login.nid, 1, PATIENCE_MS)
  const waited = (started_at ?? Infinity) - queuedAt
  const length = await longest(inTheWay)
  assert.ok(waited <= length, `it waited ${waited} ms; the longest verify that ran took ${length} ms`)
  assert.equal(await sandbox.hostmaster.currentStatus(clone.nid), -1, 'the clone goes on')
  assert.equal(await sandbox.hostmaster.currentStatus(verify.nid), 0, 'the server verify waits')
  const onServer = verifies.filter(({ rid }) => platformsOf(server).some((nid) => sitesOf(nid).includes(rid)))
  assert.ok(onServer.length > 0)
  assert.deepEqual(onServer.map(({ nid }) => nid).filter(hasBegun), [])

  // All that is left is the clone, the server verify, and what waits behind that.
  const rest = verifies.filter((task) => !onServer.includes(task))
  await sandbox.hostmaster.execute(
    'UPDATE hosting_task SET task_status = 3 WHERE task_status = 0 AND vid IN (?) AND nid IN (?)',
    [rest.map(({ vid }) => vid), rest.map(({ nid }) => nid)],
  )
  sandbox.release('cloned')
  const { time } = await begun(verify.nid)
  const [end] = sandbox.journalFile.of('end', clone.nid)
  assert.ok(end && end.time <= time, 'the server verify starts when the clone has ended')
  assert.deepEqual(faults([clone, verify, login, ...verifies]), [])
})

test('installs whose names share the 16 characters of the database never overlap; with different names they do', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 6 } })
  const uri = (nid: number) => world.topology.sites.get(nid)?.uri ?? ''
  const dbServer = (nid: number) => world.topology.sites.get(nid)?.dbServer
  const named = world.sites.filter((nid) => uri(nid).startsWith('department-number-'))
  const alike = named.filter((nid) => dbServer(nid) === world.hostmaster.server)
  const elsewhere = named.find((nid) => dbServer(nid) !== world.hostmaster.server) ?? 0
  const different = world.sites.find((nid) => !named.includes(nid) && dbServer(nid) === world.hostmaster.server) ?? 0
  assert.ok(alike.length >= 3)
  const install = (object: number, until: string) => {
    return { object, type: 'install', arguments: { sandbox_until: until, sandbox_ms: '150' } }
  }
  const tasks = await queue(
    ...alike.map((nid, i) => install(nid, i === 0 ? 'first' : 'others')),
    install(different, 'different'),
    install(elsewhere, 'different'),
  )
  const [first, second] = tasks
  const others = tasks.slice(-2)
  assert.ok(first && second)
  const daemon = await startLeader(sandbox)
  for (const { nid } of [first, ...others]) await begun(nid)
  // The first and the two others run side by side; those named alike stay away although there are slots.
  const { waiting } = await readStatus(sandbox)
  assert.deepEqual(waiting.count, alike.length - 1)
  assert.match(waiting.next[0]?.reason ?? '', /database name departmentnumber/)
  sandbox.release('others')
  sandbox.release('different')
  for (const { nid } of others) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(hasBegun(second.nid), false)
  sandbox.release('first')
  for (const { nid } of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(faults(tasks), [])
  assert.deepEqual(linesOf(daemon, 'task started').length, tasks.length)
})

test('a verify nested in a migrate neither deadlocks nor is reaped, not even by a daemon that adopts the migrate', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 4 } })
  const [source, target, other] = take(3, platformsOf(world.servers[0]))
  const [site, neighbour] = take(2, sitesOf(source))
  const [elsewhere] = take(1, sitesOf(other))
  const context = `platform_${await titleOf(target)}`
  const nested = `${context} verify sandbox_until=nested`
  const [migrate] = await queue({
    object: site,
    type: 'migrate',
    arguments: { target_platform: String(target), sandbox_nested: nested },
  })
  assert.ok(migrate)
  const killed = await startLeader(sandbox)
  const inner = await sandbox.waitForJournal(
    ({ event, rid, type }) => event === 'start' && rid === target && type === 'verify',
    { what: 'the nested verify', timeoutMs: PATIENCE_MS },
  )
  const tasks = [
    migrate,
    ...(await queue({ object: neighbour, type: 'verify' }, { object: sitesOf(target)[0] ?? 0, type: 'verify' })),
  ]
  const [free] = await queue({ object: elsewhere, type: 'verify' })
  assert.ok(free)
  await sandbox.waitForStatus(free.nid, 1, PATIENCE_MS)

  killed.kill('SIGKILL')
  await killed.exited
  const daemon = await startLeader(sandbox)
  const adopted = await daemon.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  assert.equal(adopted['nid'], migrate.nid)
  // Another one comes and goes, while the nested one is looked at, and looked at again.
  for (const object of [elsewhere, elsewhere, elsewhere]) {
    const [task] = await queue({ object, type: 'verify', arguments: { sandbox_ms: '700' } })
    // Its status is there before its drush has gone.
    await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === task?.nid, {
      timeoutMs: PATIENCE_MS,
    })
  }
  const status = await readStatus(sandbox)
  assert.deepEqual([status.stuck, status.foreign], [[], []], 'it is part of the run, neither stuck nor foreign')
  assert.deepEqual(
    status.running.map(({ nid }) => nid),
    [migrate.nid],
  )
  assert.equal(await sandbox.hostmaster.currentStatus(inner.nid ?? 0), -1)
  assert.equal(status.waiting.count, 2, 'sites of both platforms wait')

  sandbox.release('nested')
  for (const { nid } of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(await sandbox.hostmaster.currentStatus(inner.nid ?? 0), 1)
  assert.deepEqual(
    (await sandbox.hostmaster.log(inner.nid ?? 0)).filter(({ type }) => type === 'error'),
    [],
  )
  assert.deepEqual(faults(tasks), [])
  assert.deepEqual(linesOf(daemon, 'task is stuck: processing, but without any process; it holds nothing'), [])
})

test('foreign hosting-tasks on platforms make their sites wait, from their first moment, and nothing else', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 6 } })
  const [first, second, third] = take(3, platformsOf(world.servers[1]))
  const daemon = await startLeader(sandbox)
  const byHand = async (platform: number, until: string) => {
    const args = [
      '@hostmaster',
      'hosting-task',
      `platform_${await titleOf(platform)}`,
      'verify',
      `sandbox_until=${until}`,
    ]
    const end = sandbox.drush(args)
    const { nid = 0 } = await sandbox.waitForJournal(({ event, rid }) => event === 'start' && rid === platform, {
      what: `the operator's verify of platform ${platform}`,
      timeoutMs: PATIENCE_MS,
    })
    return { end, nid }
  }
  const one = await byHand(first, 'one')
  const onFirst = await queue(
    ...sitesOf(first)
      .slice(0, 2)
      .map((object) => ({ object, type: 'backup' })),
  )
  // The second comes in the same second as the look at the first.
  const two = await byHand(second, 'two')
  const onSecond = await queue(
    ...sitesOf(second)
      .slice(0, 2)
      .map((object) => ({ object, type: 'backup' })),
  )
  const onThird = await queue(
    ...sitesOf(third)
      .slice(0, 2)
      .map((object) => ({ object, type: 'backup' })),
  )
  for (const { nid } of onThird) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const { foreign, waiting } = await readStatus(sandbox)
  assert.deepEqual(
    foreign.map(({ nid }) => nid),
    [one.nid, two.nid],
  )
  assert.equal(waiting.count, 4)
  for (const { reason } of waiting.next)
    assert.match(reason, /^It waits for platform platform_\S+, which verify task \d+ .*is using/)

  sandbox.release('two')
  assert.equal((await two.end).code, 0)
  for (const { nid } of onSecond) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(onFirst.map(({ nid }) => nid).filter(hasBegun), [])
  sandbox.release('one')
  assert.equal((await one.end).code, 0)
  for (const { nid } of onFirst) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(faults([...onFirst, ...onSecond, ...onThird]), [])
  // A poll in the moment between making and starting a task makes the daemon try it too: then drush itself refuses.
  for (const { nid } of [one, two]) assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  const started = linesOf(daemon, 'task started').filter(({ nid }) => nid !== one.nid && nid !== two.nid)
  assert.equal(started.length, 6)
})

async function titleOf(nid: number): Promise<string> {
  const [row] = await sandbox.hostmaster.query<{ title: string }>('SELECT title FROM node WHERE nid = ?', [nid])
  return row?.title ?? ''
}

test('what a server’s verify has queued lets a login-reset go first, also after that verify has ended', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 1 } })
  const [server, other] = take(2, world.servers)
  const daemon = await startLeader(sandbox)
  const [verify] = await queue({ object: server, type: 'verify', arguments: { sandbox_until: 'server-verified' } })
  await begun(verify?.nid ?? 0)
  const children = await queue(...platformsOf(server).map((object) => ({ object, type: 'verify' })))
  assert.ok(children.length >= 2)
  const [site] = take(1, platformsOf(other).flatMap(sitesOf))
  const [login] = await queue({ object: site, type: 'login-reset' })
  const all = children.length + 1
  await waitForStatusOf(sandbox, 'all that waits', ({ waiting }) => waiting.count === all)
  sandbox.release('server-verified')
  for (const { nid } of [...children, ...(login ? [login] : [])]) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const started = linesOf(daemon, 'task started').map(({ nid }) => nid)
  assert.deepEqual(
    started,
    [verify, login, ...children].map((task) => task?.nid),
  )
})
