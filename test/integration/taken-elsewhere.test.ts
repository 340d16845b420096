import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import { ProcessTable } from '../../src/runner/process-table.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import type { QueuedTask } from '../sandbox/node-rows.js'
import {
  PATIENCE_MS,
  configure,
  faultsOf,
  linesOf,
  startLeader,
  stopDaemon,
  waitForStatusOf,
} from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  const { hostmaster } = sandbox
  const { server, platform } = await hostmaster.hostmasterSite()
  sites = []
  for (let count = 0; count < 3; count += 1) sites.push(await hostmaster.site({ platform, dbServer: server }))
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

function queue(site = 0, args: Record<string, string> = {}): Promise<QueuedTask> {
  return sandbox.hostmaster.queueTask({ object: sites[site] ?? 0, type: 'verify', arguments: args })
}

/** What the witness saw of a task: events only. */
function eventsOf(nid: number): string[] {
  return sandbox
    .journal()
    .filter((entry) => entry.nid === nid)
    .map(({ event, reason }) => (reason === undefined ? event : `${event}: ${reason}`))
}

describe('between the poll and the start', () => {
  /** A daemon that knows the tasks from its last poll, will not poll again by itself, and starts them when resumed. */
  async function daemonThatKnows(tasks: QueuedTask[]): Promise<DaemonProcess> {
    const daemon = await startLeader(sandbox, ['--set', 'queue.poll_interval=10m'])
    daemon.kill('SIGHUP')
    await waitForStatusOf(sandbox, 'the waiting tasks', ({ waiting }) => waiting.count === tasks.length)
    return daemon
  }

  before(async () => {
    configure(sandbox)
    const daemon = await startLeader(sandbox)
    assert.equal((await sandbox.skynet(['pause'])).code, 0)
    await stopDaemon(daemon)
  })

  /** Resumes; ends when the last of the tasks, which nobody has touched, is done. */
  async function resume(daemon: DaemonProcess, last: QueuedTask): Promise<void> {
    assert.equal((await sandbox.skynet(['resume'])).code, 0)
    await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === last.nid, { timeoutMs: PATIENCE_MS })
    assert.equal((await sandbox.skynet(['pause'])).code, 0)
    await stopDaemon(daemon)
  }

  function assertUntouched(daemon: DaemonProcess, { nid, vid }: QueuedTask): void {
    assert.deepEqual(
      daemon.logs.filter((entry) => entry['nid'] === nid),
      [],
      'a task that is no longer there to be run is no news',
    )
    assert.deepEqual(faultsOf(daemon), [])
    const runs = readdirSync(join(sandbox.configFolder, 'state/runs'))
    assert.deepEqual(
      runs.filter((run) => run.endsWith(`-${nid}-${vid}`)),
      [],
    )
  }

  test('a task that was cancelled is not run and not reported as a failure', async () => {
    const [task, last] = [await queue(), await queue(1)]
    const daemon = await daemonThatKnows([task, last])
    assert.equal(await sandbox.hostmaster.cancel(task.nid), true)
    await resume(daemon, last)
    assert.deepEqual(eventsOf(task.nid), [])
    assertUntouched(daemon, task)
    assert.deepEqual(
      (await sandbox.hostmaster.taskRows(task.nid)).map((row) => row.task_status),
      [3],
    )
    assert.deepEqual(
      (await sandbox.hostmaster.log(task.nid)).map((row) => row.type),
      ['warning'],
      'the cancelling’s own row alone',
    )
  })

  test('a task that was deleted is not run and not reported as a failure', async () => {
    const [task, last] = [await queue(), await queue(1)]
    const daemon = await daemonThatKnows([task, last])
    await sandbox.hostmaster.deleteTask(task.nid)
    await resume(daemon, last)
    assert.deepEqual(eventsOf(task.nid), [])
    assertUntouched(daemon, task)
    assert.deepEqual(await sandbox.hostmaster.taskRows(task.nid), [])
    assert.deepEqual(await sandbox.hostmaster.log(task.nid), [])
  })

  test('a task that an inline hosting-task took is not run a second time and not reported as a failure', async () => {
    const [context] = await sandbox.hostmaster.query<{ name: string }>(
      'SELECT name FROM hosting_context WHERE nid = ?',
      [sites[0]],
    )
    assert.ok(context)
    sandbox.configureDrush({ inline_gap_ms: 4_000 })
    const inline = sandbox.drush(['@hostmaster', 'hosting-task', `@${context.name}`, 'verify', 'sandbox_ms=100'])
    const task = await sandbox.waitFor(
      async () => {
        const [row] = await sandbox.hostmaster.query<QueuedTask>(
          "SELECT n.nid, n.vid FROM hosting_task t JOIN node n USING (vid) WHERE t.task_status = 0 AND n.type = 'task'",
        )
        return row
      },
      { what: 'the inline task’s row', timeoutMs: PATIENCE_MS },
    )
    // Held still between its saving and its starting of the task, until the daemon knows the task as queued.
    const processes = new ProcessTable()
    const pid = processes.list().find(({ pid: of }) => processes.args(of).includes(`@${context.name}`))?.pid
    assert.ok(pid)
    process.kill(pid, 'SIGSTOP')
    const last = await queue(1)
    const daemon = await daemonThatKnows([task, last])
    process.kill(pid, 'SIGCONT')
    assert.deepEqual((await inline).code, 0)
    sandbox.configureDrush({ inline_gap_ms: undefined })
    await resume(daemon, last)
    assert.deepEqual(eventsOf(task.nid), ['start', 'end'])
    assertUntouched(daemon, task)
    assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 1)
  })

  after(async () => {
    const daemon = await startLeader(sandbox)
    assert.equal((await sandbox.skynet(['resume'])).code, 0)
    await stopDaemon(daemon)
  })
})

describe('between the spawn and drush’s own look', () => {
  /** A drush that waits for `go` in the home before it looks at anything. */
  function slowDrush(): { waiting: () => boolean; go: () => void } {
    const { home, install, folder } = sandbox
    const script = `#!/bin/sh\ntouch "$HOME/waiting"\nuntil [ -e "$HOME/go" ]; do sleep 0.02; done\nexec "${install.drush}" "$@"\n`
    sandbox.linkDrush(folder.writeFile('bin/slow-drush', script, 0o755))
    return { waiting: () => existsSync(join(home, 'waiting')), go: () => void folder.writeFile('home/go', '') }
  }

  async function takenWhileStarting(
    task: QueuedTask,
    take: (task: QueuedTask) => Promise<unknown>,
  ): Promise<DaemonProcess> {
    await sandbox.run('rm', ['-f', 'go', 'waiting'])
    const drush = slowDrush()
    const daemon = await startLeader(sandbox)
    await sandbox.waitFor(drush.waiting, { what: 'drush to be started', timeoutMs: PATIENCE_MS })
    await take(task)
    drush.go()
    await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === task.nid, { timeoutMs: PATIENCE_MS })
    sandbox.linkDrush()
    return daemon
  }

  function outcomesOf(daemon: DaemonProcess, nid: number): unknown[] {
    assert.deepEqual(faultsOf(daemon), [])
    assert.deepEqual(linesOf(daemon, 'task is parked'), [])
    return linesOf(daemon, 'task ended', nid).map(({ level, outcome }) => [level, outcome])
  }

  test('a task that somebody else’s drush took and still runs is theirs, and counts as no attempt', async () => {
    const task = await queue(0, { sandbox_ms: '1000' })
    let operator: Promise<{ code: number | null }> | undefined
    const daemon = await takenWhileStarting(task, async ({ nid }) => {
      operator = sandbox.run(sandbox.install.drush, ['@hostmaster', 'hosting-task', String(nid)])
      const theirs = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
        timeoutMs: PATIENCE_MS,
      })
      process.kill(theirs.pid, 'SIGSTOP')
    })
    process.kill(sandbox.journalFile.of('start', task.nid)[0]?.pid ?? 0, 'SIGCONT')
    assert.equal((await operator)?.code, 0)
    assert.deepEqual(outcomesOf(daemon, task.nid), [['info', 'taken elsewhere']])
    assert.deepEqual(eventsOf(task.nid), ['start', 'refused: running', 'end'])
    assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 1)
    await stopDaemon(daemon)
    assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  })

  test('a task that was cancelled meanwhile stays cancelled', async () => {
    const task = await queue()
    const daemon = await takenWhileStarting(task, ({ nid }) => sandbox.hostmaster.cancel(nid))
    assert.deepEqual(outcomesOf(daemon, task.nid), [['info', 'taken elsewhere']])
    assert.deepEqual(eventsOf(task.nid), ['refused: not-queued'])
    assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 3)
    await stopDaemon(daemon)
  })

  test('a task that was deleted meanwhile has vanished', async () => {
    const task = await queue()
    const daemon = await takenWhileStarting(task, ({ nid }) => sandbox.hostmaster.deleteTask(nid))
    assert.deepEqual(outcomesOf(daemon, task.nid), [['info', 'vanished']])
    assert.deepEqual(eventsOf(task.nid), [])
    await stopDaemon(daemon)
    assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  })
})

describe('a daemon stopped between its last check and the spawn, another one having taken over', () => {
  let root: Connection

  before(async () => {
    root = await sandbox.database.connect({ database: sandbox.hostmaster.credentials.db })
  })
  afterEach(() => root.query('ROLLBACK'))
  after(() => root.destroy())

  /**
   * Stops a leader whose claim of a task has passed its checks and waits for room in the table: nothing but the
   * answer is between it and the spawn. The answer comes, or the connection is lost first; either way it is not leader
   * any more when this returns.
   */
  async function stoppedBeforeSpawn(claim: 'granted' | 'lost'): Promise<{ stopped: DaemonProcess; task: QueuedTask }> {
    const daemon = await startLeader(sandbox)
    await sandbox.waitFor(
      async () => (await sandbox.hostmaster.semaphore()).some(({ name }) => name === 'hosting_queue_tasks_running'),
      { what: 'the lock row', timeoutMs: PATIENCE_MS },
    )
    // All gaps behind the lock row, which the claim's row is to go into; nobody else's row does. (One gap alone may be
    // parted by a claim of an earlier test that was deleted and is not purged yet.)
    await root.query('START TRANSACTION')
    await root.query("SELECT name FROM semaphore WHERE name >= 'skynet_run_' FOR UPDATE")
    const task = await queue()
    const claiming = await sandbox.waitFor(
      async () => (await connections()).find(({ statement }) => statement.startsWith('INSERT INTO semaphore (name')),
      { what: 'the claim to wait for the table', timeoutMs: PATIENCE_MS },
    )
    daemon.kill('SIGSTOP')
    if (claim === 'granted') {
      await root.query('COMMIT')
      await sandbox.waitFor(
        async () => (await sandbox.hostmaster.semaphore()).some(({ name }) => name === `skynet_run_${task.vid}`),
        { what: 'the claim', timeoutMs: PATIENCE_MS },
      )
    }
    for (const { id } of await connections()) await root.query(`KILL ${id}`).catch(() => undefined)
    await sandbox.waitFor(async () => (await connections()).every(({ id }) => id !== claiming.id), {
      what: 'the leader’s connections to be gone',
      timeoutMs: PATIENCE_MS,
    })
    if (claim === 'lost') await root.query('ROLLBACK')
    return { stopped: daemon, task }
  }

  /** Skynet's own connections. */
  async function connections(): Promise<{ id: number; statement: string }[]> {
    const [rows] = await root.query<({ id: number; info: string | null } & RowDataPacket)[]>(
      "SELECT ID AS id, INFO AS info FROM information_schema.PROCESSLIST WHERE USER = 'hostmaster'",
    )
    return rows.map(({ id, info }) => ({ id, statement: info ?? '' }))
  }

  const otherState = () => ['--set', `state.dir=${join(sandbox.home, 'other-state')}`]

  /** The stopped daemon goes on, and when it is its turn again it works as ever. */
  async function goesOn(stopped: DaemonProcess, successor: DaemonProcess): Promise<void> {
    stopped.kill('SIGCONT')
    await stopped.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
    await stopDaemon(successor)
    const next = await queue(1)
    await stopped.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === next.nid, { timeoutMs: PATIENCE_MS })
    assert.deepEqual(eventsOf(next.nid), ['start', 'end'])
    assert.equal((await waitForStatusOf(sandbox, 'nothing to run', ({ running }) => running.length === 0)).slots, 1)
    await stopDaemon(stopped)
    assert.deepEqual(await sandbox.hostmaster.semaphore(), [])
  }

  for (const claim of ['granted', 'lost'] as const) {
    test(`on the same state directory, its claim ${claim}: the successor runs the task, once`, async () => {
      const { stopped, task } = await stoppedBeforeSpawn(claim)
      const successor = await startLeader(sandbox)
      await successor.waitForLog(
        ({ msg, nid, outcome }) => msg === 'task ended' && nid === task.nid && outcome === 'success',
        {
          timeoutMs: PATIENCE_MS,
        },
      )
      await goesOn(stopped, successor)
      assert.deepEqual(eventsOf(task.nid), ['start', 'end'])
      assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 1)
    })
  }

  test('on another state directory, its claim granted: the successor leaves the task to it, says so once, and it runs once', async () => {
    const { stopped, task } = await stoppedBeforeSpawn('granted')
    const other = await queue(1)
    const successor = await startLeader(sandbox, otherState())
    await successor.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === other.nid, { timeoutMs: PATIENCE_MS })
    assert.equal(linesOf(successor, 'task is claimed by another daemon; it is left to that one', task.nid).length, 1)
    assert.deepEqual(eventsOf(task.nid), [])
    const why = await sandbox.skynet(['why', String(task.nid)], { SKYNET_STATE_DIR: join(sandbox.home, 'other-state') })
    assert.match(why.stdout, /Another Skynet, .* has claimed it \(skynet_run_\d+ in the table semaphore\)/)
    await goesOn(stopped, successor)
    assert.deepEqual(eventsOf(task.nid), ['start', 'end'])
    assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 1)
  })

  test('on another state directory, its claim lost: the successor runs the task, once', async () => {
    const { stopped, task } = await stoppedBeforeSpawn('lost')
    const successor = await startLeader(sandbox, otherState())
    await successor.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === task.nid, { timeoutMs: PATIENCE_MS })
    await goesOn(stopped, successor)
    assert.deepEqual(eventsOf(task.nid), ['start', 'end'])
    assert.equal(await sandbox.hostmaster.currentStatus(task.nid), 1)
  })
})
