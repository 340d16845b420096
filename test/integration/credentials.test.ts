import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AegirSite } from '../sandbox/aegir-site.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import type { Hostmaster } from '../sandbox/hostmaster.js'
import { Sandbox } from '../sandbox/sandbox.js'

let sandbox: Sandbox
let site: AegirSite
/** Aegir's database, which changes its name on the way. */
let hostmaster: Hostmaster
let daemon: DaemonProcess

before(async () => {
  sandbox = await Sandbox.create({ passwd: 'the old; one#' })
  hostmaster = sandbox.hostmaster
  site = await AegirSite.create(sandbox)
  await site.installModule()
  sandbox.writeConfig({ queue: { max_load: 1000, poll_interval: '100ms' } }, { file: 'local.skynet.conf' })
  await verify()
  daemon = sandbox.startDaemon(['--wait'])
  await daemon.waitForLog('leading')
  await settled()
})
after(() => sandbox.close())

/** The verify by which the module's real hook writes the real file. */
async function verify(): Promise<void> {
  const result = await sandbox.drush(['@hostmaster', 'hosting-task', '@hostmaster', 'verify'])
  assert.equal(result.code, 0, result.stderr)
}

/** Nothing waits and nothing is processed: what pm-enable has queued is done. */
async function settled(): Promise<void> {
  await sandbox.waitFor(
    async () => {
      const [row] = await hostmaster.query<{ n: number }>(
        'SELECT COUNT(*) AS n FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE t.task_status IN (0, -1)',
      )
      return row?.n === 0
    },
    { what: 'an empty queue', timeoutMs: 20_000 },
  )
}

/** The daemon's connections break, as at a restart of the server. */
async function killConnections(user: string): Promise<void> {
  const list = await hostmaster.query<{ ID: number }>(
    "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND <> 'Killed'",
    [user],
  )
  for (const { ID } of list) await hostmaster.execute(`KILL ${ID}`).catch(() => 0)
}

test('credentials rotate under a running daemon: it waits, reads the file that the hook rewrites, and runs what was queued', async () => {
  const { user } = hostmaster.credentials
  const passwd = `new "one'; \\ # % = ü `
  for (const host of ['localhost', '127.0.0.1']) {
    await hostmaster.execute('ALTER USER ?@? IDENTIFIED BY ?', [user, host, passwd])
  }
  await killConnections(user)
  await daemon.waitForLog('database is not usable; waiting for it')
  const tasks = []
  for (const type of ['flush_cache', 'backup', 'verify'])
    tasks.push(await hostmaster.queueTask({ object: site.nid, type }))

  sandbox.configureDrush({ aliases: { hostmaster: { ...hostmaster.credentials, passwd } } })
  await verify()
  await daemon.waitForLog('database is back', { timeoutMs: 20_000 })
  for (const { nid } of tasks) await sandbox.waitForStatus(nid, 1, 20_000)
  for (const { nid } of tasks) assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  assert.equal(daemon.logs.filter(({ msg }) => msg === 'database is not usable; waiting for it').length, 1)
  const text = JSON.stringify(daemon.logs)
  assert.ok(!text.includes('the old; one#') && !text.includes('new \\"one'), 'no password in the log')
  await settled()
})

test("Aegir's own upgrade: paused, dumped into another database and dropped, a task queued meanwhile runs once, in the new one", async () => {
  const passwd = readPasswd()
  const long = await hostmaster.queueTask({ object: site.nid, type: 'backup', arguments: { sandbox_ms: '1200' } })
  // hosting-pause is called in the very moment of a start: it must see that task through.
  await daemon.waitForLog((entry) => entry.msg === 'task started' && entry['nid'] === long.nid)
  const paused = await sandbox.drush(['@hostmaster', 'hosting-pause'])
  assert.equal(paused.code, 0, paused.stderr)
  assert.ok(!paused.stderr.includes('has not reported'), paused.stderr)
  assert.equal(await hostmaster.currentStatus(long.nid), 1, 'hosting-pause ends when no task is being processed')
  const during = await hostmaster.queueTask({ object: site.nid, type: 'flush_cache' })

  const old = hostmaster.credentials
  const renamed = await sandbox.addHostmaster({ db: 'site_new', user: 'site_new', passwd: ` ${passwd}$` })
  await copyDatabase(old.db, 'site_new')
  // The old database goes before anybody has told the daemon of the new one.
  await renamed.execute('DROP DATABASE ??', [old.db])
  await renamed.execute('DROP USER ?@?, ?@?', [old.user, 'localhost', old.user, '127.0.0.1'])
  const outages = () => daemon.logs.filter(({ msg }) => msg === 'database is not usable; waiting for it').length
  await sandbox.waitFor(() => outages() === 2, { what: 'the daemon to notice' })

  hostmaster = renamed
  sandbox.configureDrush({ aliases: { hostmaster: renamed.credentials } })
  const resumed = await sandbox.drush(['@hostmaster', 'hosting-resume'])
  assert.equal(resumed.code, 0, resumed.stderr)
  await sandbox.waitFor(async () => (await renamed.currentStatus(during.nid)) === 1, {
    what: 'the task that was queued during the pause',
    timeoutMs: 30_000,
  })
  assert.equal(sandbox.journalFile.of('start', during.nid).length, 1)
  assert.equal(sandbox.journalFile.of('start', long.nid).length, 1)
  assert.equal(await renamed.variable('hosting_skynet_upgrade_pause'), undefined)
  assert.match(readFileSync(join(sandbox.configFolder, 'skynet.conf'), 'utf8'), /^db = "site_new"$/m)
  assert.ok(daemon.exit === undefined, 'it is the same daemon all the time')
  const faults = daemon.logs.filter(({ msg }) => msg === 'something unexpected went wrong; trying again')
  assert.deepEqual(faults, [])
})

test('a verify that finds all as it is leaves the file alone, so that nothing reconnects', async () => {
  const reconnects = () => daemon.logs.filter(({ msg }) => msg === 'leading').length
  const before = reconnects()
  await verify()
  const { nid } = await hostmaster.queueTask({ object: site.nid, type: 'flush_cache' })
  await sandbox.waitFor(async () => (await hostmaster.currentStatus(nid)) === 1, {
    what: 'the task',
    timeoutMs: 20_000,
  })
  assert.equal(reconnects(), before)
})

function readPasswd(): string {
  const line = /^passwd = (".*")$/m.exec(readFileSync(join(sandbox.configFolder, 'skynet.conf'), 'utf8'))
  return JSON.parse(line?.[1] ?? '""') as string
}

/** As a dump that is loaded: every table with its rows. */
async function copyDatabase(from: string, to: string): Promise<void> {
  const tables = await hostmaster.query<{ name: string }>(
    'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?',
    [from],
  )
  for (const { name } of tables) {
    await hostmaster.execute('DROP TABLE IF EXISTS ??.??', [to, name])
    await hostmaster.execute('CREATE TABLE ??.?? LIKE ??.??', [to, name, from, name])
    await hostmaster.execute('INSERT INTO ??.?? SELECT * FROM ??.??', [to, name, from, name])
  }
}
