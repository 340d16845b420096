import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createConnection } from 'mysql2/promise'
import { DaemonProcess } from '../sandbox/daemon-process.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { waitFor } from '../sandbox/wait-for.js'

const PASSWORD = `a;b#c%d="e'f\\g$h i ü€`

let sandbox: Sandbox
let site: number

before(async () => {
  sandbox = await Sandbox.create({ passwd: PASSWORD })
  site = (await sandbox.hostmaster.hostmasterSite()).site
})
after(() => sandbox.close())

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`).length > 0
}

function uidOf(pid: number): number {
  return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

describe('the database server', () => {
  test('keeps port and every committed row through a kill and a restart', async () => {
    const { database, hostmaster } = sandbox
    const { port, pid } = database
    const { nid } = await hostmaster.queueTask({ object: site, type: 'verify' })
    await database.kill()
    assert.equal(database.running, false)
    await database.start()
    assert.equal(database.port, port)
    assert.notEqual(database.pid, pid)
    assert.equal(await hostmaster.currentStatus(nid), 0)
  })

  test('serves several hostmasters with passwords of any character, each with its own database alone', async () => {
    const second = await sandbox.addHostmaster({ db: 'second', user: 'second', passwd: 'other' })
    for (const { credentials } of [sandbox.hostmaster, second]) {
      const { host, port, db, user, passwd } = credentials
      const connection = await createConnection({ host, port, user, password: passwd, database: db })
      const [databases] = await connection.query<[]>("SHOW DATABASES WHERE `Database` <> 'information_schema'")
      connection.destroy()
      assert.deepEqual(databases, [{ Database: db }])
    }
    const { host, port, user } = second.credentials
    await assert.rejects(createConnection({ host, port, user, password: 'wrong' }), {
      code: 'ER_ACCESS_DENIED_ERROR',
    })
  })

  test('runs as a user other than root', () => {
    const pid = sandbox.database.pid
    assert.ok(pid)
    assert.equal(uidOf(pid), sandbox.folder.account.uid)
    assert.notEqual(uidOf(pid), 0)
  })
})

describe('the hostmaster', () => {
  test('has finished tasks with a superseded and a final row each, and goes on counting above them', async () => {
    const { hostmaster } = sandbox
    const before = await hostmaster.query<{ nid: number; tasks: number }>(
      'SELECT MAX(n.nid) AS nid, (SELECT COUNT(*) FROM hosting_task) AS tasks FROM node n',
    )
    assert.ok(before[0])
    await hostmaster.finishedTasks(10_000, { object: site, status: 3, ageSeconds: 60 })
    const [counts] = await hostmaster.query<Record<string, number>>(
      `SELECT COUNT(*) AS total, COUNT(CASE WHEN t.task_status = 0 AND t.vid <> n.vid AND executed IS NULL THEN 1 END) AS superseded,
         COUNT(CASE WHEN t.task_status = 3 AND t.vid = n.vid AND executed >= n.created AND delta IS NOT NULL THEN 1 END) AS final
       FROM hosting_task t JOIN node n USING (nid) WHERE n.nid > ?`,
      [before[0].nid],
    )
    assert.deepEqual({ ...counts }, { total: 20_000, superseded: 10_000, final: 10_000 })
    const next = await hostmaster.queueTask({ object: site, type: 'verify' })
    assert.equal(next.nid, before[0].nid + 10_001)
  })

  test('cancels only a queued task, and deletes every row of one', async () => {
    const { hostmaster } = sandbox
    const { nid, vid } = await hostmaster.queueTask({ object: site, type: 'verify', arguments: { a: 'b' } })
    assert.equal(await hostmaster.cancel(nid), true)
    assert.equal(await hostmaster.cancel(nid), false)
    assert.deepEqual(
      (await hostmaster.taskRows(nid)).map((row) => [row.vid, row.task_status]),
      [[vid, 3]],
    )
    assert.deepEqual(
      (await hostmaster.log(nid)).map((row) => row.type),
      ['warning'],
    )
    await hostmaster.deleteTask(nid)
    assert.equal(await hostmaster.currentStatus(nid), undefined)
    assert.deepEqual(await hostmaster.taskRows(nid), [])
  })

  test('has a stuck task whose current row is processing', async () => {
    const { nid, vid } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify', executed: 1_550_000_000 })
    assert.equal(await sandbox.hostmaster.currentStatus(nid), -1)
    assert.equal((await sandbox.hostmaster.taskRows(nid)).at(-1)?.vid, vid)
  })

  test('knows the members of clusters and packs', async () => {
    const { hostmaster } = sandbox
    const members = [await hostmaster.server(), await hostmaster.server()]
    const cluster = await hostmaster.webCluster(members)
    const pack = await hostmaster.webPack(members)
    const rows = await hostmaster.query<{ nid: number; member: number }>(
      `SELECT n.nid, m.web_server_nid AS member FROM node n JOIN hosting_web_cluster m USING (vid)
       UNION ALL SELECT n.nid, m.web_server_nid FROM node n JOIN hosting_web_pack m USING (vid) ORDER BY nid, member`,
    )
    assert.deepEqual(
      rows.map((row) => [row.nid, row.member]),
      [cluster, pack].flatMap((nid) => members.map((member) => [nid, member])),
    )
  })
})

describe('the files of a sandbox', () => {
  test('skynet.conf is for the sandbox’s user alone, and every value is quoted', () => {
    const path = sandbox.writeConfig({ queue: { concurrent_tasks: 2 } })
    const { mode, uid } = statSync(path)
    assert.equal((mode & 0o777).toString(8), '600')
    assert.equal(uid, sandbox.folder.account.uid)
    assert.equal((statSync(sandbox.configFolder).mode & 0o777).toString(8), '700')
    const text = readFileSync(path, 'utf8')
    assert.ok(text.includes(`passwd = ${JSON.stringify(PASSWORD)}\n`))
    assert.ok(text.endsWith('[queue]\nconcurrent_tasks = "2"\n'))
  })
})

describe('a daemon’s process', () => {
  const spec = (script: string) => ({
    command: process.execPath,
    args: ['-e', script],
    cwd: '/',
    env: sandbox.environment,
  })

  test('gives the lines of its log, the rest of its output, and how it ended', async () => {
    const daemon = new DaemonProcess(
      spec(`console.log('{"level":30,"msg":"leading","pid":7}'); console.log('no JSON'); console.error('oh')
        process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000)
        setTimeout(() => console.log('{"level":30,"msg":"ready"}'), 50)`),
    )
    assert.equal((await daemon.waitForLog('leading')).pid, 7)
    await daemon.waitForLog((entry) => entry.msg === 'ready')
    daemon.kill('SIGTERM')
    assert.deepEqual(await daemon.exited, { code: 3, signal: null })
    assert.deepEqual(daemon.otherOutput, ['no JSON'])
    assert.equal(daemon.stderr, 'oh\n')
  })

  test('that ends before the awaited line fails the wait at once, with its last words', async () => {
    const daemon = new DaemonProcess(spec(`console.log('{"level":50,"msg":"bad configuration"}'); process.exit(78)`))
    await assert.rejects(
      daemon.waitForLog('leading', { timeoutMs: 60_000 }),
      /"code":78[^]*“leading”[^]*bad configuration/,
    )
  })

  test('a wait in vain says what was awaited and what was last seen', async () => {
    await assert.rejects(
      waitFor(() => false, { what: 'the moon', timeoutMs: 30, lastSeen: () => 'a star' }),
      /Waited 30 ms in vain for the moon\.\na star/,
    )
  })
})

describe('an install of its own', () => {
  test('runs as the sandbox’s user, in its home, with the stand-in drush first in PATH', async () => {
    await using own = await Sandbox.create({ ownInstall: true })
    own.folder.makeFolder('install/dist')
    own.folder.writeFile('install/dist/main.js', STAND_IN_SKYNET)
    const daemon = own.startDaemon(['--once'], { SKYNET_LOG_LEVEL: 'debug' })
    const said = await daemon.waitForLog('said')
    assert.deepEqual(said['args'], ['queued', '--once'])
    assert.deepEqual([said['uid'], said['home'], said['cwd']], [own.folder.account.uid, own.home, own.home])
    assert.equal(said['level_asked'], 'debug')
    assert.match(String(said['drush']), /Drupal bootstrap +: +Successful/)
    assert.deepEqual(await daemon.exited, { code: 0, signal: null })
    const verb = await own.skynet(['status', '--json'])
    assert.deepEqual([verb.code, (JSON.parse(verb.stdout) as { args: string[] }).args], [0, ['status', '--json']])
  })
})

describe('the proxy', () => {
  const open = (port: number) =>
    createConnection({
      host: '127.0.0.1',
      port,
      user: 'hostmaster',
      password: PASSWORD,
      database: 'hostmaster',
    })

  test('passes on, holds back in either direction without closing, and goes on where it stopped', async () => {
    await using proxy = await Proxy.listen({ host: '127.0.0.1', port: sandbox.database.port })
    const connection = await open(proxy.port)
    for (const direction of ['both', 'toServer', 'toClient'] as const) {
      proxy.stall(direction)
      let answered = false
      const answer = connection.query('SELECT 1').then(() => (answered = true))
      // Whatever passes the server now would have answered the stalled query as well.
      for (let round = 0; round < 5; round++) await sandbox.hostmaster.query('SELECT 1')
      assert.equal(answered, false)
      assert.equal(proxy.connections, 1)
      proxy.resume()
      await answer
    }
    connection.destroy()
  })

  test('cuts connections, refuses new ones, and leads to another server, also over a unix socket', async () => {
    await using proxy = await Proxy.listen({ host: '127.0.0.1', port: sandbox.database.port })
    const connection = await open(proxy.port)
    connection.on('error', () => undefined)
    const query = connection.query('SELECT SLEEP(30)')
    proxy.cut()
    await assert.rejects(query, { code: 'ECONNRESET' })
    proxy.refuse()
    await assert.rejects(open(proxy.port))
    proxy.refuse(false)
    proxy.switchTo({ path: sandbox.database.socket })
    const [rows] = await (await open(proxy.port)).query<[]>('SELECT SUBSTRING_INDEX(USER(), "@", -1) AS host')
    assert.deepEqual(rows, [{ host: 'localhost' }])
  })
})

describe('the end of a sandbox', () => {
  test('close ends its server and its tasks, removes its folder, and may be called twice', async () => {
    await using other = await Sandbox.create()
    const task = await other.hostmaster.queueTask({ object: 1, type: 'verify', arguments: { sandbox_hang: '1' } })
    const run = other.drush(['@hostmaster', 'hosting-task', String(task.nid)])
    const { pid } = await other.waitForJournal((entry) => entry.event === 'start')
    const server = other.database.pid
    await Promise.all([other.close(), other.close()])
    assert.equal((await run).signal, 'SIGKILL')
    assert.ok(server)
    assert.deepEqual([alive(server), alive(pid), existsSync(other.folder.path)], [false, false, false])
    await other.close()
  })

  test('kill -9 of its owner ends all that it had started, in whatever session, and removes its folder', async () => {
    const owner = spawn(process.execPath, ['--import', 'tsx', '-e', OWNER], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    owner.stdout.on('data', (text: Buffer) => (said += text.toString()))
    await waitFor(() => said.endsWith('\n') || owner.exitCode !== null, {
      what: 'the owner to have made its sandbox',
      timeoutMs: 60_000,
    })
    const { folder, pids } = JSON.parse(said) as { folder: string; pids: number[] }
    assert.equal(pids.length, 4)
    assert.deepEqual(pids.map(alive), [true, true, true, true])
    assert.ok(existsSync(join(folder, 'home')))
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    await waitFor(() => !existsSync(folder), { what: 'the folder to be gone' })
    assert.deepEqual(pids.map(alive), [false, false, false, false])
  })
})

/** Makes a sandbox with a server, a drush with its backend, and something in a session of its own. */
const OWNER = `
  import { spawn } from 'node:child_process'
  import { asAccount } from './test/sandbox/account.ts'
  import { Sandbox } from './test/sandbox/sandbox.ts'
  const sandbox = await Sandbox.create()
  const task = await sandbox.hostmaster.queueTask({ object: 1, type: 'verify', arguments: { sandbox_backend_ms: '600000' } })
  void sandbox.drush(['@hostmaster', 'hosting-task', String(task.nid)])
  const backend = await sandbox.waitForJournal((entry) => entry.event === 'backend-start')
  const main = sandbox.journal()[0]
  const options = { detached: true, env: sandbox.environment, stdio: 'ignore', ...asAccount(sandbox.folder.account) }
  const other = spawn('sleep', ['600'], options)
  console.log(JSON.stringify({ folder: sandbox.folder.path, pids: [sandbox.database.pid, main.pid, backend.pid, other.pid] }))
`

/** Stands in for Skynet's main file: says what it was started with, and what drush answers. */
const STAND_IN_SKYNET = `
  const { execFileSync } = require('node:child_process')
  const drush = execFileSync('drush', ['@hostmaster', 'status'], { encoding: 'utf8' })
  const { HOME: home, SKYNET_LOG_LEVEL: level_asked } = process.env
  const args = process.argv.slice(2)
  console.log(JSON.stringify({ level: 30, msg: 'said', args, uid: process.getuid(), home, cwd: process.cwd(), level_asked, drush }))
`
