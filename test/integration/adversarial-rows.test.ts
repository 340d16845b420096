import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

/** Colours, a cleared screen, a new window title, a link, a line of its own, a bell, C1, bidirectional marks, DEL, NUL. */
const HOSTILE =
  '\u001b[31mred\u001b[2J\u001b]0;owned\u0007\u001b]8;;http://x\u001b\\link\r\n{"level":"fatal"}\n\u009b1m\u202egnp\u2066\u200f\u007f\u0000\ufeffend'

/** What must reach neither a terminal nor a log: control characters, and marks that turn the direction of writing. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

let sandbox: Sandbox
let site: number
let daemon: DaemonProcess

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox, { log: { level: 'trace' } })
  const { hostmaster } = sandbox
  site = (await hostmaster.hostmasterSite()).site
  // Drupal's title has 255 characters; a site may have altered that.
  await hostmaster.execute('ALTER TABLE node DROP KEY node_title_type, MODIFY title LONGTEXT NOT NULL')
  await hostmaster.execute('ALTER TABLE node_revision MODIFY title LONGTEXT NOT NULL')
  daemon = await startLeader(sandbox)
})
after(() => sandbox.close())

/** Everything that Skynet says, as texts. */
async function everythingSaid(): Promise<string[]> {
  const json = await sandbox.skynet(['status', '--json'])
  const words = await sandbox.skynet(['status'])
  return [
    ...daemon.logs.flatMap(textsOf),
    ...daemon.otherOutput,
    ...daemon.stderr.split('\n'),
    ...textsOf(JSON.parse(json.stdout)),
    ...words.stdout.split('\n'),
    ...words.stderr.split('\n'),
  ]
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

async function assertNothingHostileSaid(): Promise<void> {
  for (const text of await everythingSaid()) {
    assert.doesNotMatch(text, CONTROL, JSON.stringify(text.slice(0, 300)))
    assert.ok(text.length < 2_000, `${text.length} characters: ${text.slice(0, 100)}`)
  }
}

/** The rest of the queue goes on. */
async function assertGoesOn(): Promise<void> {
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
}

/** Makes the columns of a task what they are to be in the very transaction that queues it. */
function queueAs(columns: Record<string, unknown>, node: Record<string, unknown> = {}, object = site): Promise<number> {
  const { hostmaster } = sandbox
  return hostmaster.transaction(async (connection) => {
    const { nid, vid } = await hostmaster.queueTaskWithin(connection, { object, type: 'verify' })
    if (Object.keys(columns).length > 0)
      await connection.query('UPDATE hosting_task SET ? WHERE vid = ?', [columns, vid])
    if (Object.keys(node).length > 0) await connection.query('UPDATE node SET ? WHERE nid = ?', [node, nid])
    return nid
  })
}

describe('a queued task', () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ['of type NULL', { task_type: null }, {}],
    ['of an empty type', { task_type: '' }, {}],
    ['of a type of 64 KB', { task_type: 'verify'.repeat(11_000) }, {}],
    ['of a type full of control characters', { task_type: HOSTILE }, {}],
    ['of a negative rid', { rid: -7 }, {}],
    ['of a rid of 0', { rid: 0 }, {}],
    ['of a rid without a node', { rid: 2_147_483_647 }, {}],
    ['of a rid that is the first task here', { rid: 4 }, {}],
    ['executed long ago and in a negative time', { executed: 1, delta: -2_147_483_648 }, {}],
    ['executed in the far future', { executed: 2_147_483_647, delta: 2_147_483_647 }, {}],
    ['changed in 1901', {}, { changed: -2_147_483_648 }],
    ['changed in 2038', {}, { changed: 2_147_483_647 }],
    ['with a title of 64 KB full of control characters', {}, { title: HOSTILE.repeat(900).slice(0, 65_536) }],
    ['whose node is unpublished and of no user', {}, { status: 0, uid: -1 }],
  ]
  for (const [what, columns, node] of cases) {
    test(`${what} is run once, and the queue goes on`, async () => {
      const nid = await queueAs(columns, node)
      await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
      await assertGoesOn()
      assert.equal(sandbox.journalFile.of('start', nid).length, 1)
      assert.equal(sandbox.journalFile.of('refused', nid).length, 0)
      assert.equal(linesOf(daemon, 'task ended', nid).length, 1)
    })
  }

  test('none of which has put a control character into the log or the status', async () => {
    await assertNothingHostileSaid()
  })
})

describe('what clients can name', () => {
  test('an object with control characters in its context and a title of 64 KB shows plain and short in log and status', async () => {
    const { hostmaster } = sandbox
    await hostmaster.execute('UPDATE hosting_context SET name = ? WHERE nid = ?', [HOSTILE, site])
    const untitled = await hostmaster.site({ platform: 1, dbServer: 1, uri: 'x.example.com' })
    await hostmaster.execute('DELETE FROM hosting_context WHERE nid = ?', [untitled])
    await hostmaster.execute('UPDATE node SET title = ? WHERE nid = ?', [`${HOSTILE}${'a'.repeat(65_536)}`, untitled])
    // One of each that runs, is stuck, and waits behind another.
    const running = await queueAs({}, {}, site)
    await sandbox.waitForStatus(running, 1, PATIENCE_MS)
    await hostmaster.stuckTask({ object: untitled, type: HOSTILE })
    const hanging = await hostmaster.queueTask({
      object: untitled,
      type: HOSTILE,
      arguments: { sandbox_hang: '1', [HOSTILE.slice(0, 60)]: HOSTILE.repeat(2_000) },
    })
    const start = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === hanging.nid, {
      timeoutMs: PATIENCE_MS,
    })
    await queueAs({ task_type: HOSTILE }, {}, untitled)
    await queueAs({}, {}, site)
    const status = await waitForStatusOf(
      sandbox,
      'running, stuck and waiting tasks',
      (now) => now.running.length === 1 && now.stuck.length === 1 && now.waiting.count === 2,
    )
    assert.match(status.running[0]?.object ?? '', /red.*link.*gnp/)
    await assertNothingHostileSaid()
    const reason = await sandbox.skynet(['pause', '--reason', HOSTILE.replaceAll('\u0000', '')])
    assert.equal(reason.code, 0)
    await daemon.waitForLog('queue is paused')
    await assertNothingHostileSaid()
    assert.equal((await sandbox.skynet(['resume'])).code, 0)
    process.kill(start.pid, 'SIGKILL')
    await sandbox.waitForStatus(hanging.nid, 2, PATIENCE_MS)
    await hostmaster.execute("UPDATE hosting_context SET name = 'hostmaster' WHERE nid = ?", [site])
  })

  test('a foreign holder of the lock row with control characters in its name shows plain', async () => {
    const { hostmaster } = sandbox
    const hold = 'REPLACE INTO semaphore (name, value, expire) VALUES (?, ?, UNIX_TIMESTAMP() + 1000)'
    await hostmaster.execute(hold, ['hosting_queue_tasks_running', HOSTILE])
    try {
      await daemon.waitForLog("another runner holds Aegir's queue lock; waiting for it", { timeoutMs: PATIENCE_MS })
      await assertNothingHostileSaid()
    } finally {
      await hostmaster.execute("DELETE FROM semaphore WHERE name = 'hosting_queue_tasks_running'")
    }
    await assertGoesOn()
  })
})

describe('rows that are no tasks to run', () => {
  test('a node without a task row, a task row without a node, and one of another node are not run, and the queue goes on', async () => {
    const { hostmaster } = sandbox
    const before = sandbox.journal().length
    const without = await hostmaster.transaction(async (connection) => {
      const { nid } = await hostmaster.queueTaskWithin(connection, { object: site, type: 'verify' })
      await connection.query('DELETE FROM hosting_task WHERE nid = ?', [nid])
      return nid
    })
    await hostmaster.transaction(async (connection) => {
      const { nid } = await hostmaster.queueTaskWithin(connection, { object: site, type: 'verify' })
      await connection.query('DELETE FROM node WHERE nid = ?', [nid])
    })
    await hostmaster.transaction(async (connection) => {
      const { vid } = await hostmaster.queueTaskWithin(connection, { object: site, type: 'verify' })
      await connection.query('UPDATE hosting_task SET nid = ? WHERE vid = ?', [without, vid])
    })
    await hostmaster.transaction(async (connection) => {
      const { nid } = await hostmaster.queueTaskWithin(connection, { object: site, type: 'verify' })
      await connection.query("UPDATE node SET type = 'page' WHERE nid = ?", [nid])
    })
    await assertGoesOn()
    assert.equal(
      sandbox
        .journal()
        .slice(before)
        .filter(({ event }) => event === 'start' || event === 'refused').length,
      1,
    )
  })

  test('a status that is NULL or none that Aegir knows is left alone', async () => {
    const before = sandbox.journal().length
    const odd = []
    for (const task_status of [null, 4, 99, -2, 2_147_483_647]) odd.push([await queueAs({ task_status }), task_status])
    await assertGoesOn()
    assert.equal(
      sandbox
        .journal()
        .slice(before)
        .filter(({ event }) => event === 'start').length,
      1,
    )
    for (const [nid, status] of odd) assert.equal(await sandbox.hostmaster.currentStatus(nid ?? 0), status)
  })

  test('a task of nid 0, which no drush can find, stops nobody', async () => {
    const { hostmaster } = sandbox
    await hostmaster.transaction(async (connection) => {
      await connection.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
      const { nid, vid } = await hostmaster.queueTaskWithin(connection, { object: 0, type: 'verify' })
      await connection.query('UPDATE node SET nid = 0 WHERE nid = ?', [nid])
      await connection.query('UPDATE hosting_task SET nid = 0 WHERE vid = ?', [vid])
      await connection.query('SET SESSION sql_mode = DEFAULT')
    })
    await assertGoesOn()
    await assertGoesOn()
    await hostmaster.execute('DELETE FROM node WHERE nid = 0')
    await assertNothingHostileSaid()
  })

  test('after all of which the daemon still stands, and leaves in order', async () => {
    await stopDaemon(daemon)
  })
})
