import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PATIENCE_MS, configure, faultsOf, linesOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

interface Queued {
  nid: number
  changed: number
  status: number
}

let sandbox: Sandbox
const tasks: Queued[] = []

/** What drush is told to do, and the status that Aegir's rules give for it. */
const ENDS: [Record<string, string>, number][] = [
  [{}, 1],
  [{ sandbox_end: 'warning' }, 3],
  [{ sandbox_end: 'error' }, 2],
  [{ sandbox_end: 'logged_error' }, 2],
  [{ sandbox_end: 'exit' }, 2],
  [{ sandbox_end: 'die' }, 2],
  [{ sandbox_end: 'fatal' }, 2],
  [{ sandbox_end: 'memory' }, 2],
  [{ sandbox_backend_ms: '20' }, 1],
  [{ sandbox_backend_ms: '20', sandbox_end: 'die' }, 2],
  [{ sandbox_ms: '50' }, 1],
  [{ sandbox_end: 'warning', sandbox_shutdown_ms: '50' }, 3],
]

/** Minutes ago: neither rising nor falling, and with equals, whose order is that of their nids. */
const AGES = [7, 3, 12, 3, 9, 1, 12, 5, 3, 30, 1, 7]

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  const { hostmaster } = sandbox
  const { server, platform, site } = await hostmaster.hostmasterSite()
  const sites = [
    await hostmaster.site({ platform, dbServer: server }),
    await hostmaster.site({ platform, dbServer: server }),
  ]
  const objects = [server, platform, site, ...sites]
  const now = Math.floor(Date.now() / 1000)
  for (const [index, [args, status]] of ENDS.entries()) {
    const changed = now - (AGES[index] ?? 0) * 60
    const object = objects[index % objects.length] ?? site
    const { nid } = await hostmaster.queueTask({ object, type: 'verify', arguments: args, changed })
    tasks.push({ nid, changed, status })
  }
})
after(() => sandbox.close())

function inOrder(): number[] {
  return [...tasks].sort((a, b) => a.changed - b.changed || a.nid - b.nid).map(({ nid }) => nid)
}

test('twelve tasks on five objects run in order of node.changed, then nid, one after the other, each exactly once', async () => {
  assert.equal(tasks.length, 12)
  const daemon = sandbox.startDaemon(['--once'])
  await sandbox.waitFor(() => daemon.exit, { what: 'the drained queue', timeoutMs: 60_000 })
  assert.deepEqual(daemon.exit, { code: 0, signal: null }, daemon.lastWords())
  assert.deepEqual(faultsOf(daemon), [])
  const journal = sandbox.journal()
  const starts = journal.filter(({ event }) => event === 'start')
  assert.deepEqual(
    starts.map(({ nid }) => nid),
    inOrder(),
  )
  assert.equal(journal.filter(({ event }) => event === 'refused').length, 0)
  const main = journal.filter(({ event }) => event === 'start' || event === 'end')
  assert.deepEqual(
    main.map(({ event }) => event),
    tasks.flatMap(() => ['start', 'end']),
    'with one slot no task starts before the one before it has ended',
  )
  assert.deepEqual(
    linesOf(daemon, 'task started').map(({ nid }) => nid),
    inOrder(),
  )
})

test('their final statuses, revisions and outcomes are what Aegir’s rules give, not what the exit statuses say', async () => {
  const [daemon] = sandbox.daemons
  assert.ok(daemon)
  const outcomes: Record<number, string> = { 1: 'success', 2: 'error', 3: 'warning' }
  for (const { nid, status } of tasks) {
    const rows = await sandbox.hostmaster.taskRows(nid)
    assert.deepEqual(
      rows.map((row) => row.task_status),
      [0, status],
      `task ${nid} has the revision that was queued and that of its one run`,
    )
    const ends = linesOf(daemon, 'task ended', nid)
    assert.deepEqual(
      ends.map(({ outcome }) => outcome),
      [outcomes[status]],
    )
    assert.equal(typeof ends[0]?.['duration_ms'], 'number')
    assert.equal(ends[0]?.level, 'info', 'a task that failed in drush is no fault of Skynet’s')
  }
  const loggedError = tasks[3]
  assert.ok(loggedError)
  const [end] = linesOf(daemon, 'task ended', loggedError.nid)
  assert.deepEqual([end?.['exit_code'], end?.['outcome']], [0, 'error'])
})

test('a second pass finds nothing to do and leaves nothing behind', async () => {
  const before = sandbox.journal().length
  const daemon = sandbox.startDaemon(['--once'])
  await sandbox.waitFor(() => daemon.exit, { what: 'the second pass', timeoutMs: PATIENCE_MS })
  assert.deepEqual(daemon.exit, { code: 0, signal: null }, daemon.lastWords())
  assert.deepEqual(linesOf(daemon, 'task started'), [])
  assert.equal(sandbox.journal().length, before)
  assert.deepEqual(await sandbox.hostmaster.semaphore(), [], 'neither claims nor the lock row')
})
