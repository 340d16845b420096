import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { wake } from '../sandbox/demo-wake.js'
import {
  PATIENCE_MS,
  configure,
  linesOf,
  readStatus,
  startLeader,
  stopDaemon,
  waitForStatusOf,
} from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

/** Of the four seconds of a rest, the server looks every second one. */
const POLL_MS = 1_000

/** What a start takes on a busy machine; a rest that has just begun goes on for longer than a look and this. */
const PROMPT_MS = 1_500

interface Rest {
  id: number
  /** Milliseconds since it began. */
  since: number
}

let sandbox: Sandbox
let root: Connection
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  const { hostmaster } = sandbox
  const { server, platform } = await hostmaster.hostmasterSite()
  sites = [await hostmaster.site({ platform, dbServer: server }), await hostmaster.site({ platform, dbServer: server })]
  root = await sandbox.database.connect({ database: hostmaster.credentials.db })
})
after(async () => {
  root.destroy()
  await sandbox.close()
})

/** The statement with which the server looks for the daemon, if there is one. */
async function restOf(): Promise<Rest | undefined> {
  const [rows] = await root.query<(Rest & RowDataPacket)[]>(
    `SELECT ID AS id, CAST(TIME_MS AS DOUBLE) AS since FROM information_schema.PROCESSLIST
      WHERE USER = 'hostmaster' AND STATE = 'User lock' AND INFO LIKE '%BEGIN NOT ATOMIC%'`,
  )
  return rows[0]
}

/** Waits for a rest that has just begun. */
function rest(): Promise<Rest> {
  const begun = async () => {
    const found = await restOf()
    return found !== undefined && found.since < POLL_MS / 4 && found
  }
  return sandbox.waitFor(begun, { what: 'the daemon to rest', timeoutMs: PATIENCE_MS })
}

function queue(object = sites[0] ?? 0, args: Record<string, string> = {}): Promise<{ nid: number; vid: number }> {
  return sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })
}

function started(nid: number): Promise<unknown> {
  return sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
}

async function tookLessThan(limit: number, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now()
  await work()
  const took = performance.now() - began
  assert.ok(took < limit, `${took.toFixed(0)} ms`)
}

describe('a daemon with nothing to do has the server look', () => {
  let daemon: DaemonProcess

  before(async () => {
    configure(sandbox, { queue: { poll_interval: `${POLL_MS}ms` } })
    daemon = await startLeader(sandbox)
  })
  after(() => stopDaemon(daemon))

  test('and starts a task that nobody tells it of with the next look', async () => {
    await rest()
    const { nid } = await queue()
    await tookLessThan(POLL_MS + PROMPT_MS, () => started(nid))
  })

  test('and starts a task at once that it is told of', async () => {
    await rest()
    const { nid } = await queue()
    await wake(sandbox.home)
    await tookLessThan(POLL_MS, () => started(nid))
    assert.equal(await sandbox.waitForStatus(nid, 1, PATIENCE_MS), 1)
  })

  test('and notices a task whose lower vid commits late, and a variable of Drupal', async () => {
    const { hostmaster } = sandbox
    const spec = { object: sites[0] ?? 0, type: 'verify' }
    const late = await hostmaster.transaction(async (connection) => {
      const lower = await hostmaster.queueTaskWithin(connection, spec)
      const higher = await queue()
      await sandbox.waitForStatus(higher.nid, 1, PATIENCE_MS)
      await rest()
      return lower
    })
    await tookLessThan(POLL_MS + PROMPT_MS, () => started(late.nid))
    await sandbox.waitForStatus(late.nid, 1, PATIENCE_MS)
    await rest()
    await hostmaster.setVariable('hosting_queued_paused', 'i:1;')
    await tookLessThan(POLL_MS + PROMPT_MS, () => daemon.waitForLog('queue is paused', { timeoutMs: PATIENCE_MS }))
    await hostmaster.deleteVariable('hosting_queued_paused')
    await daemon.waitForLog('queue is resumed', { timeoutMs: PATIENCE_MS })
  })

  test('and reads a changed skynet.conf before it starts anything', async () => {
    await rest()
    // The files have been looked at just before, and are not looked at again so soon.
    const isUnderWay = async () => ((await restOf())?.since ?? 0) > 200
    await sandbox.waitFor(isUnderWay, { what: 'the rest to go on' })
    configure(sandbox, { queue: { poll_interval: `${POLL_MS}ms`, paused: 'yes' } })
    const { nid } = await queue()
    await wake(sandbox.home)
    const { waiting } = await waitForStatusOf(sandbox, 'the task to wait', ({ waiting }) => waiting.count === 1)
    assert.match(waiting.next[0]?.reason ?? '', /paused/)
    assert.equal(sandbox.journalFile.of('start', nid).length, 0)
    configure(sandbox, { queue: { poll_interval: `${POLL_MS}ms` } })
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  })

  test('also while all slots are taken, and the end of a run makes room at once', async () => {
    const first = await queue(sites[0], { sandbox_until: 'rested' })
    await started(first.nid)
    const second = await queue(sites[1])
    await rest()
    assert.equal((await readStatus(sandbox)).waiting.count, 1)
    sandbox.release('rested')
    await tookLessThan(PROMPT_MS, () => started(second.nid))
    await sandbox.waitForStatus(second.nid, 1, PATIENCE_MS)
  })

  test('and keeps nobody from changing the tables', async () => {
    const { id } = await rest()
    await tookLessThan(PROMPT_MS, () => root.query('ALTER TABLE hosting_task ENGINE = InnoDB'))
    const [open] = await root.query<RowDataPacket[]>('SELECT trx_id FROM information_schema.INNODB_TRX')
    assert.deepEqual(open, [])
    assert.equal((await restOf())?.id, id)
  })

  test('and goes on through another connection when an administrator kills what the server does for it', async () => {
    const { id } = await rest()
    await root.query(`KILL QUERY ${id}`)
    await daemon.waitForLog('database is back', { timeoutMs: PATIENCE_MS })
    const { nid } = await queue()
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  })

  test('and leaves nothing behind that a successor would wait for', async () => {
    await rest()
    daemon.kill('SIGKILL')
    await daemon.exited
    daemon = await startLeader(sandbox)
    const { nid } = await queue()
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.deepEqual(linesOf(daemon, 'standing by; another daemon leads'), [])
    await rest()
  })
})

test('with long_poll = no the daemon asks as ever, however long nothing happens', async () => {
  configure(sandbox, { queue: { poll_interval: '500ms', long_poll: 'no' } })
  const daemon = await startLeader(sandbox)
  const [[before]] = await root.query<({ Value: string } & RowDataPacket)[]>(
    `SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'`,
  )
  // Sixteen polls and more take eight seconds; a daemon that rests after five sends half as many statements.
  const count = async () => {
    assert.equal(await restOf(), undefined)
    const [[now]] = await root.query<({ Value: string } & RowDataPacket)[]>(
      `SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'`,
    )
    return Number(now?.Value) - Number(before?.Value) > 30
  }
  await sandbox.waitFor(count, { what: 'thirty statements', timeoutMs: PATIENCE_MS, everyMs: 100 })
  await stopDaemon(daemon)
})
