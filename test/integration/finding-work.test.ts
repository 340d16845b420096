import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import { DatabaseServer } from '../sandbox/database-server.js'
import { Hostmaster } from '../sandbox/hostmaster.js'
import {
  PATIENCE_MS,
  configure,
  linesOf,
  readStatus,
  startLeader,
  stopDaemon,
  waitForStatusOf,
} from '../sandbox/leader.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { waitFor } from '../sandbox/wait-for.js'

const QUEUE_TABLES = ['hosting_task', 'hosting_task_arguments', 'node', 'node_access', 'node_revision']

describe('history', () => {
  let sandbox: Sandbox
  let site: number

  before(async () => {
    sandbox = await Sandbox.create()
    configure(sandbox)
    site = (await sandbox.hostmaster.hostmasterSite()).site
  })
  after(() => sandbox.close())

  /** A run that crashed (its row says -1 for ever) and was then forced through: the node has a newer revision. */
  async function supersededProcessing(): Promise<{ nid: number; crashed: number }> {
    const { hostmaster } = sandbox
    const { nid, vid: crashed } = await hostmaster.stuckTask({ object: site, type: 'verify' })
    const executed = Math.floor(Date.now() / 1000) - 3000
    await hostmaster.transaction(async (connection) => {
      await connection.query(
        "INSERT INTO node_revision (nid, uid, title, log, timestamp) VALUES (?, 1, 'forced', '', ?)",
        [nid, executed],
      )
      await connection.query('SET @vid = LAST_INSERT_ID()')
      await connection.query(
        "INSERT INTO hosting_task (vid, nid, task_type, rid, task_status, executed, delta) VALUES (@vid, ?, 'verify', ?, 1, ?, 2)",
        [nid, site, executed],
      )
      await connection.query('UPDATE node SET vid = @vid WHERE nid = ?', [nid])
    })
    return { nid, crashed }
  }

  test('the rows that a poll reads do not grow between 1,000 and 100,000 finished tasks', async (context) => {
    const { hostmaster } = sandbox
    await hostmaster.finishedTasks(1_000, { object: site })
    const few = await rowsReadByPolls(sandbox, site)
    await hostmaster.finishedTasks(99_000, { object: site })
    const many = await rowsReadByPolls(sandbox, site)
    context.diagnostic(`rows read by a poll: ${few} at 1,000 finished tasks, ${many} at 100,000`)
    // Into one of the two measurements may fall a renewal of the lock row, a heartbeat, or the one look in ten seconds that
    // looks for the node of each queued row, half of them: so many rows in twenty polls.
    assert.ok(Math.abs(many - few) <= 100, `${few} and ${many} rows`)
    // The window of a thousand vids, and few others.
    assert.ok(few > 0 && few < 1_200, `${few} rows`)
  })

  test('ten thousand finished tasks with their superseded rows, and a superseded -1 row, are neither run nor counted', async () => {
    const { hostmaster } = sandbox
    await hostmaster.finishedTasks(10_000, { object: site, status: 3 })
    const superseded = await supersededProcessing()
    await hostmaster.finishedTasks(2_000, { object: site, status: 2 })
    const rows = await hostmaster.taskRows(superseded.nid)
    assert.deepEqual(
      rows.map((row) => row.task_status),
      [0, -1, 1],
    )
    const before = sandbox.journal().length
    const { nid } = await hostmaster.queueTask({ object: site, type: 'verify', arguments: { sandbox_hang: '1' } })
    const daemon = await startLeader(sandbox)
    const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
      timeoutMs: PATIENCE_MS,
    })
    const status = await waitForStatusOf(sandbox, 'the one task to run', ({ running }) => running.length === 1)
    assert.deepEqual(
      { waiting: status.waiting.count, stuck: status.stuck, foreign: status.foreign, parked: status.parked },
      { waiting: 0, stuck: [], foreign: [], parked: [] },
    )
    assert.deepEqual(
      sandbox
        .journal()
        .slice(before)
        .map((entry) => [entry.event, entry.nid]),
      [['start', nid]],
    )
    assert.deepEqual(
      (await hostmaster.taskRows(superseded.nid)).map((row) => row.task_status),
      [0, -1, 1],
      'a superseded row is nobody’s to correct',
    )
    process.kill(pid, 'SIGKILL')
    await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
    await stopDaemon(daemon)
  })
})

/** `Handler_read%` of one poll of an idle daemon that has just been started. */
async function rowsReadByPolls(sandbox: Sandbox, site: number): Promise<number> {
  const daemon = await startLeader(sandbox, ['--verbose', '--set', 'queue.long_poll=no'])
  // Once this task is done the first reconcile is over, and what follows is the idle daemon, which has read its history.
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  await daemon.waitForLog(({ msg, nid: of }) => msg === 'task ended' && of === nid, { timeoutMs: PATIENCE_MS })
  await daemon.waitForLog('usual durations read', { timeoutMs: PATIENCE_MS })
  const root = await sandbox.database.connect()
  const polled = async (since: { statements: number }, count: number) =>
    (await handlerReads(root)).statements - since.statements >= count
  try {
    // A window of vids costs more when it is looked at for the first time.
    const before = await handlerReads(root)
    await waitFor(() => polled(before, 3), { what: 'a second look', everyMs: 200, timeoutMs: PATIENCE_MS })
    daemon.kill('SIGSTOP')
    await settled(root)
    await root.query("SET GLOBAL log_output = 'TABLE'")
    await root.query('TRUNCATE mysql.general_log')
    await root.query('SET GLOBAL general_log = ON')
    // What one look costs by itself, so that it can be taken off.
    const first = await handlerReads(root)
    const second = await handlerReads(root)
    const look = second.reads - first.reads
    assert.equal(second.statements, first.statements, 'the daemon stands still')
    daemon.kill('SIGCONT')
    let looks = 0
    const enough = () => {
      looks += 1
      return polled(second, 20)
    }
    await waitFor(enough, { what: 'twenty polls', everyMs: 200, timeoutMs: PATIENCE_MS })
    daemon.kill('SIGSTOP')
    await settled(root)
    const last = await handlerReads(root)
    looks += 1
    const [polls] = await root.query<({ count: number } & RowDataPacket)[]>(
      "SELECT COUNT(*) AS count FROM mysql.general_log WHERE command_type = 'Execute' AND argument LIKE '%IS_USED_LOCK%'",
    )
    return Math.round((last.reads - second.reads - looks * look) / (polls[0]?.count ?? 0))
  } finally {
    await root.query('SET GLOBAL general_log = OFF')
    root.destroy()
    daemon.kill('SIGCONT')
    await stopDaemon(daemon)
  }
}

/** Waits until the server has nothing of a stopped daemon's under way. */
async function settled(root: Connection): Promise<void> {
  const idle = async () => {
    const [rows] = await root.query<RowDataPacket[]>(
      "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'hostmaster' AND COMMAND <> 'Sleep'",
    )
    return rows.length === 0
  }
  await waitFor(idle, { what: 'the server to have answered' })
}

/** Rows read by all sessions so far, and prepared statements executed: the daemon alone uses those. */
async function handlerReads(root: Connection): Promise<{ reads: number; statements: number }> {
  const [rows] = await root.query<({ Variable_name: string; Value: string } & RowDataPacket)[]>(
    "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name = 'Com_stmt_execute'",
  )
  let [reads, statements] = [0, 0]
  for (const { Variable_name, Value } of rows) {
    if (Variable_name === 'Com_stmt_execute') statements = Number(Value)
    else reads += Number(Value)
  }
  return { reads, statements }
}

describe('new work', () => {
  let sandbox: Sandbox
  let site: number

  before(async () => {
    sandbox = await Sandbox.create()
    configure(sandbox)
    site = (await sandbox.hostmaster.hostmasterSite()).site
  })
  after(() => sandbox.close())

  test('whose lower vid commits after a higher one is found, hundreds of vids later as well', async () => {
    const { hostmaster } = sandbox
    const daemon = await startLeader(sandbox)
    const spec = { object: site, type: 'verify' }
    const higher: { nid: number; vid: number }[] = []
    const lower = await hostmaster.transaction(async (connection) => {
      const late = await hostmaster.queueTaskWithin(connection, spec)
      higher.push(await hostmaster.queueTask(spec))
      await sandbox.waitForStatus(higher[0]?.nid ?? 0, 1, PATIENCE_MS)
      await hostmaster.finishedTasks(400, { object: site, ageSeconds: 1 })
      higher.push(await hostmaster.queueTask(spec))
      await sandbox.waitForStatus(higher[1]?.nid ?? 0, 1, PATIENCE_MS)
      assert.equal(sandbox.journalFile.of('start', late.nid).length, 0)
      return late
    })
    assert.ok((higher[1]?.vid ?? 0) - lower.vid > 800)
    await sandbox.waitForStatus(lower.nid, 1, PATIENCE_MS)
    assert.equal(sandbox.journalFile.of('start', lower.nid).length, 1)
    await stopDaemon(daemon)
  })

  test('in a restored database, with vids below those that were seen before, is found', async () => {
    const { hostmaster } = sandbox
    for (const table of QUEUE_TABLES) {
      await hostmaster.execute(`CREATE TABLE backup_${table} LIKE ${table}`)
      await hostmaster.execute(`INSERT INTO backup_${table} SELECT * FROM ${table}`)
    }
    await hostmaster.finishedTasks(3_000, { object: site })
    const before = await hostmaster.queueTask({ object: site, type: 'verify' })
    const daemon = await startLeader(sandbox)
    await sandbox.waitForStatus(before.nid, 1, PATIENCE_MS)
    await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === before.nid)
    const renames = QUEUE_TABLES.map((table) => `${table} TO dropped_${table}, backup_${table} TO ${table}`)
    await hostmaster.execute(`RENAME TABLE ${renames.join(', ')}`)
    const restored = await hostmaster.queueTask({ object: site, type: 'verify' })
    assert.ok(restored.vid < before.vid - 2_000, `${restored.vid} below ${before.vid}`)
    await sandbox.waitFor(() => sandbox.journal().some((entry) => entry.queued_vid === restored.vid), {
      what: 'the restored database’s task to be started',
      timeoutMs: PATIENCE_MS,
    })
    await sandbox.waitForStatus(restored.nid, 1, PATIENCE_MS)
    await stopDaemon(daemon)
  })

  test('in a database restored while it was out of reach, whose highest vid is as high as ever, is found', async () => {
    const { hostmaster, database } = sandbox
    // A task that waits far below the mark, and is not there yet when the daemon looks for the first time.
    const { nid, vid } = await hostmaster.queueTask({ object: site, type: 'verify' })
    await hostmaster.execute('UPDATE hosting_task SET task_status = 3 WHERE vid = ?', [vid])
    await hostmaster.finishedTasks(3_000, { object: site })
    const daemon = await startLeader(sandbox)
    const before = await hostmaster.queueTask({ object: site, type: 'verify' })
    await daemon.waitForLog(({ msg, nid: of }) => msg === 'task ended' && of === before.nid, { timeoutMs: PATIENCE_MS })
    await database.kill()
    await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
    await database.start()
    await hostmaster.execute('UPDATE hosting_task SET task_status = 0 WHERE vid = ?', [vid])
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.equal(sandbox.journalFile.of('start', nid).length, 1)
    assert.equal(linesOf(daemon, 'database is not usable; waiting for it').length, 1)
    assert.equal(linesOf(daemon, 'database is back').length, 1)
    await stopDaemon(daemon)
  })

  test('on another server behind the same address is found, and what the first one had is forgotten', async () => {
    const { hostmaster, database, folder } = sandbox
    await using proxy = await Proxy.listen({ host: '127.0.0.1', port: database.port })
    configure(sandbox, { database: { ...sandbox.databaseSection(), port: proxy.port } })
    // One that is only known from the first server: paused there, it still waits when the other one takes its place.
    await hostmaster.setVariable('hosting_queued_paused', 'i:1;')
    const left = await hostmaster.queueTask({ object: site, type: 'verify' })
    const daemon = await startLeader(sandbox)
    await waitForStatusOf(sandbox, 'the first server’s task', ({ waiting }) => waiting.count === 1)

    const server = await DatabaseServer.create(folder, { name: 'other' })
    const other = await Hostmaster.create(server)
    try {
      const { site: otherSite } = await other.hostmasterSite()
      const { nid, vid } = await other.queueTask({ object: otherSite, type: 'verify' })
      // Its highest vid lies above the mark, its waiting task far below the overlap.
      await other.finishedTasks(20_000, { object: otherSite })
      assert.ok(vid < left.vid - 1_000)
      sandbox.configureDrush({ aliases: { hostmaster: other.credentials } })
      proxy.switchTo({ host: '127.0.0.1', port: server.port })
      proxy.cut()
      await sandbox.waitFor(async () => (await other.currentStatus(nid)) === 1, {
        what: 'the other server’s task to be done',
        timeoutMs: PATIENCE_MS,
      })
      const { waiting } = await readStatus(sandbox)
      assert.equal(waiting.count, 0, 'the task of the first server is not one of the other’s')
      assert.equal(await hostmaster.currentStatus(left.nid), 0)
      await stopDaemon(daemon)
    } finally {
      await other.close()
    }
  })
})
