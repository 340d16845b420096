import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Sandbox } from '../sandbox/sandbox.js'
import { AegirSite } from '../sandbox/aegir-site.js'
import { waitFor } from '../sandbox/wait-for.js'

interface Row {
  id: string
  pid: number
  version: string
  state: string
  started: number
  heartbeat: number
  snapshot: string
}

interface Snapshot {
  running: { nid: number; type: string; object: string; pid: number; since: number }[]
  waiting: { nid: number; reason: string; since: number }[]
  waiting_count: number
  paused: { by: string; since: number; reason: string } | null
  starting: number
  stuck: { nid: number }[]
  config_mtime: number
}

let sandbox: Sandbox
let site: AegirSite

before(async () => {
  sandbox = await Sandbox.create()
  site = await AegirSite.create(sandbox)
  await site.installModule()
})
after(() => sandbox.close())

/** What pm-enable queued, and what other tests left, must not be in the way of the one at hand. */
async function emptyQueue(): Promise<void> {
  await sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 1 WHERE task_status IN (0, -1)')
  await sandbox.hostmaster.execute('DELETE FROM hosting_skynet_daemon')
}

function rows(): Promise<Row[]> {
  return sandbox.hostmaster.query<Row>('SELECT * FROM hosting_skynet_daemon ORDER BY id')
}

function waitForRow(what: string, fits: (row: Row, snapshot: Snapshot) => boolean): Promise<Row> {
  return sandbox.waitFor(async () => (await rows()).find((row) => fits(row, JSON.parse(row.snapshot) as Snapshot)), {
    what: `a row that says ${what}`,
    timeoutMs: 20_000,
  })
}

const now = () => Math.floor(Date.now() / 1000)

test('the daemon tells Drupal at once of a start, a run, a pause, and its end', async () => {
  await emptyQueue()
  const file = sandbox.writeConfig({ queue: { max_load: 1000, poll_interval: '100ms', heartbeat_interval: '1h' } })
  const daemon = sandbox.startDaemon()
  const first = await waitForRow('leader', (row) => row.state === 'leader')
  assert.equal(first.pid, daemon.pid)
  assert.ok(Math.abs(first.heartbeat - now()) < 30)
  assert.ok(first.started <= first.heartbeat)
  const { mtimeMs } = await import('node:fs').then(({ statSync }) => statSync(file))
  assert.equal((JSON.parse(first.snapshot) as Snapshot).config_mtime, Math.floor(mtimeMs / 1000))

  const slow = { sandbox_ms: '1500', sandbox_log: '0' }
  const { nid } = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'backup', arguments: slow })
  const behind = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'flush_cache' })
  // While drush boots the task still says queued: that is what an upgrade of Aegir must wait for.
  await waitForRow('starting', (_row, { starting, running }) => starting === 1 && running[0]?.nid === nid)
  const busy = await waitForRow('running', (_row, { running, starting }) => running[0]?.nid === nid && starting === 0)
  const { running, waiting, waiting_count } = JSON.parse(busy.snapshot) as Snapshot
  assert.deepEqual(
    running.map(({ object }) => object),
    ['hostmaster'],
  )
  assert.ok(
    running.every(({ since }) => Math.abs(since - now()) < 30),
    'times are seconds',
  )
  assert.deepEqual([waiting_count, waiting[0]?.nid], [1, behind.nid])
  assert.match(String(waiting[0]?.reason), /same object|slot/)

  await sandbox.hostmaster.setVariable('hosting_queued_paused', 'i:1;')
  const paused = await waitForRow('paused', (row, { running }) => row.state === 'paused' && running.length === 0)
  assert.equal((JSON.parse(paused.snapshot) as Snapshot).paused?.by, 'Aegir')
  await sandbox.hostmaster.deleteVariable('hosting_queued_paused')
  await sandbox.waitForStatus(behind.nid, 1)
  await waitForRow('leader again', (row, snapshot) => row.state === 'leader' && snapshot.running.length === 0)

  daemon.kill('SIGTERM')
  await daemon.exited
  assert.deepEqual(
    (await rows()).map(({ state }) => state),
    ['stopping'],
  )
})

test('a daemon that was asked to finish says stopped', async () => {
  await emptyQueue()
  const daemon = sandbox.startDaemon()
  await waitForRow('leader', (row) => row.state === 'leader')
  daemon.kill('SIGINT')
  assert.equal((await daemon.exited).code, 0)
  assert.deepEqual(
    (await rows()).map(({ state }) => state),
    ['stopped'],
  )
})

test('a standby has a row of its own, which goes when it leads', async () => {
  await emptyQueue()
  const leader = sandbox.startDaemon()
  await leader.waitForLog('leading')
  const standby = sandbox.startDaemon()
  const row = await waitForRow('standby', ({ state }) => state === 'standby')
  assert.equal(row.pid, standby.pid)
  assert.equal((await rows()).length, 2)
  leader.kill()
  const leads = await waitForRow('the other one leads', ({ state, pid }) => state === 'leader' && pid === standby.pid)
  assert.notEqual(leads.id, row.id)
  await sandbox.waitFor(async () => (await rows()).length === 1, { what: "the standby's row to go" })
  standby.kill('SIGTERM')
  await standby.exited
})

test('the table may come and go under a running daemon, which works on', async () => {
  await emptyQueue()
  sandbox.writeConfig({ queue: { max_load: 1000, poll_interval: '50ms', heartbeat_interval: '1s' } })
  const [definition] = await sandbox.hostmaster.query<Record<string, string>>('SHOW CREATE TABLE hosting_skynet_daemon')
  await sandbox.hostmaster.execute('DROP TABLE hosting_skynet_daemon')
  const daemon = sandbox.startDaemon()
  await daemon.waitForLog('leading')
  const first = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'backup' })
  await sandbox.waitForStatus(first.nid, 1)
  await sandbox.hostmaster.execute(definition?.['Create Table'] ?? '')
  await waitForRow('leader', (row) => row.state === 'leader')
  await sandbox.hostmaster.execute('DROP TABLE hosting_skynet_daemon')
  const second = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'backup' })
  await sandbox.waitForStatus(second.nid, 1)
  await sandbox.hostmaster.execute(definition?.['Create Table'] ?? '')
  await waitForRow('leader again', (row) => row.state === 'leader')
  daemon.kill('SIGTERM')
  await daemon.exited
  const complaints = daemon.logs.filter(({ level }) => Number(level) >= 40 || /warn|error/.test(String(level)))
  assert.deepEqual(complaints, [])
})

test("a disabled module makes the daemon drain, give Drupal's lock back and stand by, until it is enabled again", async () => {
  await emptyQueue()
  const daemon = sandbox.startDaemon()
  await waitForRow('leader', (row) => row.state === 'leader')
  const arguments_ = { sandbox_ms: '700' }
  const running = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'backup', arguments: arguments_ })
  await sandbox.waitForJournal(({ event, nid }) => event === 'start' && nid === running.nid)
  await sandbox.hostmaster.setVariable('hosting_skynet_enabled', 'i:0;')
  const waiting = await sandbox.hostmaster.queueTask({ object: site.nid, type: 'backup' })
  await waitForRow('draining', (row) => row.state === 'draining')
  await sandbox.waitForStatus(running.nid, 1)
  await waitForRow('disabled', (row) => row.state === 'disabled')
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  const status = await sandbox.skynet(['status'])
  assert.match(status.stdout, /disabled/)
  assert.match(status.stdout, /the module is disabled/)

  // Uninstalling removes the variable: that is no invitation.
  await sandbox.hostmaster.deleteVariable('hosting_skynet_enabled')
  const polls = await statements()
  await waitFor(async () => (await statements()) > polls + 10, { what: 'some polls' })
  assert.equal(await sandbox.hostmaster.currentStatus(waiting.nid), 0)
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [])

  await sandbox.hostmaster.setVariable('hosting_skynet_enabled', 'i:1;')
  await sandbox.waitForStatus(waiting.nid, 1)
  daemon.kill('SIGTERM')
  await daemon.exited
  assert.equal(sandbox.journalFile.of('start', waiting.nid).length, 1)
})

test('an idle daemon sends at most 150 statements a minute, and keeps the time of the last run fresh', async (t) => {
  await emptyQueue()
  sandbox.writeConfig({ queue: { max_load: 1000 } })
  await sandbox.hostmaster.setVariable('hosting_queue_tasks_last_run', 'i:5;')
  await sandbox.hostmaster.execute("REPLACE INTO cache_bootstrap (cid, data, created) VALUES ('variables', '', 0)")
  const speed = 15
  const clock = { origin: Date.now() / 1000, speed }
  const daemon = sandbox.startAccelerated(clock)
  await daemon.waitForLog('leading')
  await waitForRow('leader', (row) => row.state === 'leader')
  const last = await sandbox.waitFor(
    async () => {
      const value = await sandbox.hostmaster.variable('hosting_queue_tasks_last_run')
      return value === 'i:5;' ? undefined : value
    },
    { what: 'the last run to be noted' },
  )
  assert.match(last, /^i:\d{10};$/)
  // The next statement, so that PHP reads it.
  const cached = () => sandbox.hostmaster.query("SELECT cid FROM cache_bootstrap WHERE cid = 'variables'")
  await sandbox.waitFor(async () => (await cached()).length === 0, { what: 'the cached variables to go' })
  // The server's own count of what this user sent: prepared once, each further one is an execution.
  const heartbeats = new Set<number>()
  const beat = async () => (await rows())[0]?.heartbeat ?? 0
  const begin = await beat()
  await sandbox.waitFor(async () => (await beat()) > begin, { what: 'a heartbeat' })
  const [from, sent] = [performance.now(), await statements()]
  await sandbox.waitFor(async () => heartbeats.add(await beat()).size > 3, {
    what: 'three more heartbeats',
    timeoutMs: 60_000,
    everyMs: 500,
  })
  const minutes = ((performance.now() - from) * speed) / 60_000
  const perMinute = ((await statements()) - sent) / minutes
  t.diagnostic(`${perMinute.toFixed(1)} statements a minute over ${minutes.toFixed(2)} minutes`)
  assert.ok(minutes > 2.5)
  assert.ok(perMinute <= 150, `${perMinute} statements a minute`)
  daemon.kill('SIGTERM')
  await daemon.exited
})

/** Statements that the daemon's user has sent to the server so far. */
async function statements(): Promise<number> {
  const [row] = await sandbox.hostmaster.query<{ n: string }>(
    `SELECT SUM(VARIABLE_VALUE) AS n FROM information_schema.GLOBAL_STATUS
      WHERE VARIABLE_NAME IN ('COM_STMT_EXECUTE')`,
  )
  return Number(row?.n)
}
