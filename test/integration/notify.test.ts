import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Sandbox, type ConfigSections } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

interface Told {
  event: string
  time: string
  host: string
  database: string
  message: string
  task?: { nid: number; type: string; object: string; run: string }
  [detail: string]: unknown
}

let sandbox: Sandbox
let sites: number[]
/** Where the program writes what it is told. */
let file: string
let program: string

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 6, { servers: 2 })
  file = join(sandbox.home, 'told')
  program = sandbox.folder.writeFile('tell', `#!/bin/sh\ncat >>"$HOME/told"\n`, 0o755)
})
afterEach(async () => {
  await sandbox.database.start()
  await endDaemons(sandbox)
  rmSync(file, { force: true })
  await sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 1 WHERE task_status IN (0, -1)')
  sandbox.configureDrush({ refuse_nids: [], clock: undefined })
})
after(() => sandbox.close())

function told(): Told[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Told)
}

const events = () => told().map(({ event }) => event)

function waitFor(event: string, fits: (told: Told) => boolean = () => true): Promise<Told> {
  const look = () => told().find((each) => each.event === event && fits(each))
  return sandbox.waitFor(look, { what: `to be told of ${event}`, timeoutMs: PATIENCE_MS })
}

const withNotify = (sections: ConfigSections = {}) =>
  configure(sandbox, { ...sections, notify: { on_failure: program, ...sections['notify'] } })

test('a failed task is told of, with all that names it; a good one and one with a warning are not', async () => {
  withNotify()
  const daemon = await startLeader(sandbox)
  await waitFor('leadership_changed', ({ leads }) => leads === true)
  const [object = 0] = sites
  const uri = `s0-${sandbox.database.port}.example.com`
  for (const sandbox_end of ['success', 'warning', 'error']) {
    await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: { sandbox_end } })
  }
  const failed = await waitFor('task_failed')
  const ended = await daemon.waitForLog(({ msg, outcome }) => msg === 'task ended' && outcome === 'error')
  const [nid, vid] = [ended['nid'], ended['vid']]
  assert.equal(failed.task?.nid, nid)
  assert.deepEqual(failed.task, { nid, vid, type: 'verify', object: uri, run: failed.task?.run })
  assert.match(failed.message, new RegExp(`^Task ${String(nid)} \\(verify of ${uri}\\) failed after \\d+ s\\.`))
  assert.deepEqual([failed.exit_code, failed.signal, failed.database], [1, null, 'hostmaster'])
  assert.ok(Math.abs(Date.parse(failed.time) - Date.now()) < 60_000)
  assert.deepEqual(events(), ['leadership_changed', 'task_failed'])
  await stopDaemon(daemon)
})

test('a lost database is told of once, and once that it is back; the lead was never lost', async () => {
  withNotify()
  const daemon = await startLeader(sandbox)
  // Only a daemon that has been ready once waits for its database.
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[0] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await sandbox.database.kill()
  const lost = await waitFor('database_lost')
  assert.doesNotMatch(JSON.stringify(lost), /sandbox"/, 'no password')
  await sandbox.database.start()
  const back = await waitFor('database_back')
  assert.ok(Number(back.duration_ms) > 0)
  await daemon.waitForLog('database is back', { timeoutMs: PATIENCE_MS })
  assert.deepEqual(events(), ['leadership_changed', 'database_lost', 'database_back'])
  await stopDaemon(daemon)
})

test('who loses the lead tells that, and who takes over tells that too', async () => {
  withNotify()
  const first = await startLeader(sandbox)
  const second = sandbox.startDaemon()
  await second.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  const name = leaderLockName('hostmaster')
  const [holder] = await sandbox.hostmaster.query<{ id: number }>('SELECT IS_USED_LOCK(?) AS id', [name])
  await sandbox.hostmaster.execute('KILL ?', [holder?.id])
  await second.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const lost = await waitFor('leadership_changed', ({ leads }) => leads === false)
  assert.match(lost.message, /does not lead any more/)
  await sandbox.waitFor(() => told().filter(({ leads }) => leads === true).length === 2, { what: 'both takeovers' })
  await stopDaemon(second)
  await stopDaemon(first)
})

test('a parked task is told of with the time of its next attempt', async () => {
  withNotify()
  const daemon = await startLeader(sandbox)
  const [object = 0] = sites
  const { nid } = await sandbox.hostmaster.queueTask({
    object,
    type: 'verify',
    changed: Math.floor(Date.now() / 1000) + 5,
  })
  sandbox.configureDrush({ refuse_nids: [nid] })
  const parked = await waitFor('task_parked')
  assert.deepEqual([parked.task?.nid, parked.attempt], [nid, 1])
  assert.ok(Date.parse(String(parked.until)) > Date.now())
  await stopDaemon(daemon)
})

test('a queue with a task that waits for too long is told of with the reason, and that it is well again', async () => {
  withNotify({ queue: { paused: 'yes' }, notify: { queue_age: '10m' } })
  const daemon = await startLeader(sandbox)
  const [object = 0] = sites
  const changed = Math.floor(Date.now() / 1000) - 660
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'verify', changed })
  const late = await waitFor('queue_late')
  assert.deepEqual([late['waiting'], (late['oldest'] as { nid: number }).nid], [1, nid])
  assert.match(late.message, /has been waiting for 11 min, .* The queue is paused by skynet\.conf/)
  withNotify({ notify: { queue_age: '10m' } })
  await waitFor('queue_in_time')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(events(), ['leadership_changed', 'queue_late', 'queue_in_time'])
  await stopDaemon(daemon)
})

test('a run that takes three times as long as is usual for its type is told of once, and goes on', async () => {
  withNotify()
  const [object = 0] = sites
  await sandbox.hostmaster.finishedTasks(20, { object, type: 'backup', delta: 40 })
  const daemon = sandbox.startFastDaemon(60)
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const args = { sandbox_until: 'overlong-go', sandbox_log: '0' }
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'backup', arguments: args })
  const overlong = await waitFor('task_overlong')
  assert.equal(overlong.task?.nid, nid)
  assert.equal(overlong['usual_p95_ms'], 40_000)
  assert.ok(Number(overlong['age_ms']) >= 120_000)
  const line = await daemon.waitForLog('task takes much longer than usual; it may hang', { timeoutMs: PATIENCE_MS })
  assert.deepEqual([line.level, line['nid']], ['warn', nid])
  sandbox.release('overlong-go')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(events().filter((event) => event === 'task_overlong').length, 1)
  assert.equal(linesOf(daemon, 'task takes much longer than usual; it may hang').length, 1)
})

test('a program that hangs, fails or is missing never touches the queue, and a change of it is applied at once', async () => {
  const hangs = sandbox.folder.writeFile('hangs', '#!/bin/sh\nexec sleep 1000\n', 0o755)
  withNotify({ queue: { concurrent_tasks: 2 }, notify: { on_failure: hangs } })
  const daemon = await startLeader(sandbox)
  const fail = async () => {
    const tasks = []
    for (const object of sites) {
      const args = { sandbox_ms: '10', sandbox_log: '0', sandbox_end: 'error' }
      tasks.push(await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args }))
    }
    for (const { nid } of tasks) await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
  }
  await fail()
  assert.equal((await readStatus(sandbox)).role, 'leader')
  // Leaves at once although the program hangs and others wait for it.
  await stopDaemon(daemon)

  const fails = sandbox.folder.writeFile('fails', '#!/bin/sh\necho no mail today >&2\nexit 75\n', 0o755)
  withNotify({ queue: { concurrent_tasks: 2 }, notify: { on_failure: fails } })
  const second = await startLeader(sandbox)
  await fail()
  const message = 'a notification did not get through; tasks go on'
  const line = await second.waitForLog(message, { timeoutMs: PATIENCE_MS })
  assert.equal(line['reason'], 'it exited 75: no mail today')
  assert.equal(linesOf(second, message).length, 1)
  withNotify()
  await second.waitForLog('configuration changed', { timeoutMs: PATIENCE_MS })
  await fail()
  await second.waitForLog('notifications get through again', { timeoutMs: PATIENCE_MS })
  await stopDaemon(second)
})

test('a daemon that drains the queue and leaves tells what has happened first', async () => {
  withNotify()
  const failed: number[] = []
  for (const object of sites) {
    const args = { sandbox_ms: '10', sandbox_log: '0', sandbox_end: 'error' }
    failed.push((await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })).nid)
  }
  const daemon = sandbox.startDaemon(['--once'])
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null }, daemon.lastWords())
  // A program that an earlier daemon left running may still tell of a task of that one.
  const ofOurs = told().filter(({ task }) => task !== undefined && failed.includes(task.nid))
  assert.deepEqual(ofOurs.map(({ task }) => task?.nid).sort(), failed.sort())
})
