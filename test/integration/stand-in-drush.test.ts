import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { asAccount } from '../sandbox/account.js'
import type { Hostmaster } from '../sandbox/hostmaster.js'
import type { JournalEntry } from '../sandbox/journal.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'

// The stand-in drush must do what was measured on a real one: the traces and tables that these tests hold it to.

const TRACES = new URL('../sandbox/traces/', import.meta.url)

let sandbox: Sandbox
let hostmaster: Hostmaster
let site: number

before(async () => {
  sandbox = await Sandbox.create()
  hostmaster = sandbox.hostmaster
  site = (await hostmaster.hostmasterSite()).site
})
after(() => sandbox.close())
beforeEach(() => {
  sandbox.configureDrush({
    guard_gap_ms: undefined,
    refuse_all: undefined,
    refuse_nids: undefined,
    load: undefined,
    commands: undefined,
  })
})

/** Queues a task whose arguments are these, each without its `sandbox_`. */
function queue(how: Record<string, string | number> = {}) {
  const given = Object.entries(how).map(([name, value]) => [`sandbox_${name}`, String(value)])
  return hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: Object.fromEntries(given) as Record<string, string>,
  })
}

function hostingTask(nid: number, ...options: string[]): Promise<CommandResult> {
  return sandbox.drush(['@hostmaster', 'hosting-task', String(nid), ...options])
}

function started(nid: number): Promise<JournalEntry> {
  return sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    what: `task ${nid} to start`,
  })
}

function alive(pid: number): boolean {
  // A zombie has no command line.
  return existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`).length > 0
}

function commandLine(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
}

describe('rows over time', () => {
  interface State {
    rows: [vid: number, status: number, executed: 'time' | null, delta: 'seconds' | null][]
    vid: number
    revisions: number
  }

  /** A trace as states, the vids counted from the queued one. */
  function trace(name: string): State[] {
    const text = readFileSync(new URL('rows.txt', TRACES), 'utf8')
    const section = text.split(`[${name}]\n`)[1]?.split('[')[0] ?? ''
    const lines = section.trim().split('\n')
    const queuedVid = Number(/node \('(\d+)'/.exec(lines[0] ?? '')?.[1])
    return lines.map((line) => {
      const tuples = line.split('hosting_task ')[1]?.split('  node')[0] ?? ''
      return {
        rows: [...tuples.matchAll(/\((\d+), (-?\d+), (\w+), (\w+)\)/g)].map(([, vid, status, executed, delta]) => [
          Number(vid) - queuedVid,
          Number(status),
          executed === 'NULL' ? null : 'time',
          delta === 'NULL' ? null : 'seconds',
        ]),
        vid: Number(/node \('(\d+)'/.exec(line)?.[1]) - queuedVid,
        revisions: Number(/revisions (\d+)/.exec(line)?.[1]),
      }
    })
  }

  async function look(nid: number, queuedVid: number): Promise<State> {
    const [seen] = await hostmaster.query<{
      tasks: [number, number, number | null, number | null][]
      vid: number
      revisions: number
    }>(
      `SELECT (SELECT JSON_ARRAYAGG(JSON_ARRAY(vid, task_status, executed, delta) ORDER BY vid) FROM hosting_task WHERE nid = n.nid) AS tasks,
         n.vid, (SELECT COUNT(*) FROM node_revision WHERE nid = n.nid) AS revisions
       FROM node n WHERE n.nid = ?`,
      [nid],
    )
    assert.ok(seen)
    return {
      rows: seen.tasks.map(([vid, status, executed, delta]) => [
        vid - queuedVid,
        status,
        executed === null ? null : 'time',
        delta === null ? null : 'seconds',
      ]),
      vid: seen.vid - queuedVid,
      revisions: seen.revisions,
    }
  }

  for (const [name, end] of [
    ['success', 'success'],
    ['error', 'error'],
  ] as const) {
    test(`the rows of a task with ${name} go through the states of the trace of a real one`, async () => {
      const expected = trace(name)
      assert.equal(expected.length, 4)
      const { nid, vid } = await queue({ end, ms: 1000, log: 80, shutdown_ms: 1000 })
      const states = [await look(nid, vid)]
      const lookAgain = async () => {
        const state = await look(nid, vid)
        if (JSON.stringify(state) !== JSON.stringify(states.at(-1))) states.push(state)
      }
      assert.deepEqual(await hostmaster.log(nid), [], 'a queued task has no log rows')
      const progress = { running: true }
      const run = hostingTask(nid).finally(() => (progress.running = false))
      while (progress.running) {
        await lookAgain()
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
      await run
      // drush is gone some milliseconds after its last state.
      await lookAgain()
      assert.deepEqual(states, expected)
      const log = await hostmaster.log(nid)
      assert.equal(log[0]?.type, 'queue')
      assert.ok(log.length >= 80)
      assert.ok(log.every((row) => row.vid !== vid))
    })
  }

  test('the arguments of the queued revision are copied to the new one', async () => {
    const { nid, vid } = await queue({ log: 0, ms: 1 })
    await hostingTask(nid)
    const rows = await hostmaster.query<{ vid: number; name: string }>(
      'SELECT vid, name FROM hosting_task_arguments WHERE nid = ? ORDER BY vid, name',
      [nid],
    )
    assert.deepEqual(
      rows.map((row) => [row.vid === vid, row.name]),
      [
        [true, 'sandbox_log'],
        [true, 'sandbox_ms'],
        [false, 'sandbox_log'],
        [false, 'sandbox_ms'],
      ],
    )
  })
})

describe('refusals', () => {
  const recorded = (name: string) => readFileSync(new URL(`${name}.stderr`, TRACES), 'utf8')
  const plain = (text: string) => text.replaceAll(/ ?\x1b\[[\d;]*m\x1b?(\[1m)?/g, '') // eslint-disable-line no-control-regex

  test('a running task is refused in the very bytes of a real drush, and left alone', async () => {
    const { nid } = await queue({ hang: 1 })
    const run = hostingTask(nid)
    const { pid } = await started(nid)
    const rows = await hostmaster.taskRows(nid)
    const refused = await hostingTask(nid)
    assert.deepEqual([refused.code, refused.stdout, refused.stderr], [1, '', recorded('already-running')])
    const uncoloured = await hostingTask(nid, '--nocolor')
    assert.equal(
      uncoloured.stderr,
      'This task is already running, use --force                                [error]\n',
    )
    assert.deepEqual(await hostmaster.taskRows(nid), rows)
    assert.deepEqual(
      sandbox.journalFile.of('refused', nid).map((entry) => entry.reason),
      ['running', 'running'],
    )
    process.kill(pid, 'SIGKILL')
    await run
  })

  test('a finished task is refused in the very bytes of a real drush, and left alone', async () => {
    const { nid } = await queue()
    await hostingTask(nid)
    const rows = await hostmaster.taskRows(nid)
    const refused = await hostingTask(nid)
    assert.deepEqual([refused.code, refused.stdout, refused.stderr], [1, '', recorded('not-queued')])
    assert.deepEqual(await hostmaster.taskRows(nid), rows)
  })

  test('an unknown nid is refused in the very bytes of a real drush', async () => {
    const refused = await hostingTask(999_999)
    assert.deepEqual([refused.code, refused.stdout, refused.stderr], [1, '', recorded('unknown-nid')])
    const uncoloured = (await hostingTask(999_999, '--nocolor')).stderr
    assert.ok(!uncoloured.includes('\x1b'))
    assert.deepEqual(
      uncoloured.split('\n').map((line) => line.replaceAll(/ +/g, ' ')),
      plain(refused.stderr)
        .split('\n')
        .map((line) => line.replace(/ *\[/, ' [')),
    )
  })

  test('--force starts a finished task once more', async () => {
    const { nid } = await queue()
    await hostingTask(nid)
    assert.equal((await hostingTask(nid, '--force')).code, 0)
    assert.deepEqual(
      (await hostmaster.taskRows(nid)).map((row) => row.task_status),
      [0, 1, 1],
    )
  })

  test('a task that the configuration names never gets through, and its row stays queued', async () => {
    const { nid } = await queue()
    sandbox.configureDrush({ refuse_nids: [nid] })
    assert.equal((await hostingTask(nid)).code, 1)
    assert.equal(await hostmaster.currentStatus(nid), 0)
    assert.equal(sandbox.journalFile.of('start', nid).length, 0)
  })

  if (process.getuid?.() === 0) {
    test('root is refused', async () => {
      const { nid } = await queue()
      const refused = spawnSync(sandbox.install.drush, ['@hostmaster', 'hosting-task', String(nid)], {
        env: sandbox.environment,
        encoding: 'utf8',
      })
      assert.equal(refused.status, 1)
      assert.match(refused.stderr, /root user/)
      assert.equal(await hostmaster.currentStatus(nid), 0)
    })
  }
})

describe('exit status and the status afterwards', () => {
  for (const [how, code, status] of [
    [{}, 0, 1],
    [{ end: 'warning' }, 0, 3],
    [{ end: 'logged_error' }, 0, 2],
    [{ end: 'error' }, 1, 2],
    [{ end: 'exit' }, 1, 2],
    [{ end: 'die' }, 1, 2],
    [{ end: 'fatal' }, 1, 2],
    [{ end: 'memory' }, 1, 2],
    [{ backend_ms: 10 }, 0, 1],
    [{ backend_ms: 10, end: 'warning' }, 0, 3],
    [{ backend_ms: 10, end: 'error' }, 1, 2],
    [{ backend_ms: 10, end: 'exit' }, 1, 2],
    [{ backend_ms: 10, end: 'die' }, 1, 2],
    [{ backend_ms: 10, end: 'fatal' }, 1, 2],
    [{ backend_ms: 10, end: 'memory' }, 1, 2],
  ] as [Record<string, string | number>, number, number][]) {
    test(`${JSON.stringify(how)} gives exit status ${code} and task status ${status}`, async () => {
      const { nid } = await queue(how)
      const result = await hostingTask(nid)
      assert.deepEqual([result.code, await hostmaster.currentStatus(nid)], [code, status], result.stderr)
      assert.equal(sandbox.journalFile.of('end', nid)[0]?.status, status)
    })
  }

  test('a success prints nothing', async () => {
    const { nid } = await queue()
    const { stdout, stderr } = await hostingTask(nid)
    assert.deepEqual([stdout, stderr], ['', ''])
  })

  test('a node that is no task gives exit status 1', async () => {
    assert.equal((await hostingTask(site)).code, 1)
  })

  test('a bad alias gives exit status 1, and the task stays queued', async () => {
    const { nid } = await queue()
    assert.equal((await sandbox.drush(['@nobody', 'hosting-task', String(nid)])).code, 1)
    sandbox.configureDrush({ refuse_all: 'alias' })
    assert.equal((await hostingTask(nid)).code, 1)
    assert.equal(await hostmaster.currentStatus(nid), 0)
  })

  test('too high a load gives exit status 1, and the task stays queued', async () => {
    const { nid } = await queue()
    sandbox.configureDrush({ load: 99 })
    const refused = await hostingTask(nid)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^load on system too heavy/)
    assert.equal(await hostmaster.currentStatus(nid), 0)
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
    test(`${signal} to the main process leaves the task at -1 for ever`, async () => {
      const { nid } = await queue({ hang: 1 })
      const run = hostingTask(nid)
      const { pid } = await started(nid)
      process.kill(pid, signal)
      assert.equal((await run).signal, signal)
      const rows = await hostmaster.taskRows(nid)
      assert.deepEqual(
        rows.map((row) => [row.task_status, row.delta]),
        [
          [0, null],
          [-1, null],
        ],
      )
      assert.equal(sandbox.journalFile.of('end', nid).length, 0)
    })
  }

  test('the death of the backend alone gives exit status 1 and task status 2', async () => {
    const { nid } = await queue({ backend_ms: 60_000 })
    const run = hostingTask(nid)
    const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === nid)
    process.kill(pid, 'SIGKILL')
    assert.equal((await run).code, 1)
    assert.equal(await hostmaster.currentStatus(nid), 2)
  })

  test('a drush that does not exist or may not be executed is told by spawn and by sh as a real one is', async () => {
    const path = join(sandbox.folder.path, 'bin', 'drush-of-nobody')
    await assert.rejects(sandbox.run(path, []), { code: 'ENOENT' })
    assert.equal((await sandbox.run('sh', ['-c', path])).code, 127)
    sandbox.folder.writeFile('bin/drush-of-nobody', '#!/bin/sh\n')
    chmodSync(path, 0o644)
    await assert.rejects(sandbox.run(path, []), { code: 'EACCES' })
    assert.equal((await sandbox.run('sh', ['-c', path])).code, 126)
  })

  test('the database lost in mid-task gives exit status 255 and leaves -1, even if it comes back', async () => {
    const { nid } = await queue({ ms: 600 })
    const run = hostingTask(nid)
    await started(nid)
    await sandbox.database.kill()
    await sandbox.database.start()
    assert.equal((await run).code, 255)
    const rows = await hostmaster.taskRows(nid)
    assert.deepEqual(
      rows.map((row) => [row.task_status, row.delta]),
      [
        [0, null],
        [-1, null],
      ],
    )
  })

  test('the database down at the start gives exit status 1, and the task stays queued', async () => {
    const { nid } = await queue()
    await sandbox.database.stop()
    const refused = await hostingTask(nid)
    const status = await sandbox.drush(['@hostmaster', 'status'])
    await sandbox.database.start()
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /not able to start .*the Drupal database/)
    assert.equal(await hostmaster.currentStatus(nid), 0)
    assert.equal(status.code, 0, 'drush status succeeds all the same')
    assert.doesNotMatch(status.stdout, /bootstrap|Connected/)
  })
})

describe('processes', () => {
  test('drush becomes another program under the same pid, whose arguments hold “hosting-task NID”', async () => {
    const { nid } = await queue({ hang: 1 })
    const child = spawn(sandbox.install.drush, ['@hostmaster', 'hosting-task', String(nid)], {
      env: sandbox.environment,
      stdio: 'ignore',
      ...asAccount(sandbox.folder.account),
    })
    const { pid } = await started(nid)
    const words = commandLine(pid)
    process.kill(pid, 'SIGKILL')
    assert.equal(pid, child.pid)
    assert.ok(words.join(' ').endsWith(`drush.php @hostmaster hosting-task ${nid}`), words.join(' '))
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`after ${signal} to the main process its backend goes on, in the same session and process group`, async () => {
      const { nid } = await queue({ backend_ms: 1500 })
      const run = hostingTask(nid)
      const main = await started(nid)
      const backend = await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === nid)
      assert.notEqual(backend.pid, main.pid)
      assert.deepEqual([backend.sid, backend.pgid], [main.sid, main.pgid])
      const words = commandLine(backend.pid)
      assert.ok(words.includes('provision-verify') && words.includes('@hostmaster'), words.join(' '))
      process.kill(main.pid, signal)
      await sandbox.waitFor(() => !alive(main.pid), { what: 'the main process to be gone' })
      assert.ok(alive(backend.pid))
      assert.equal(await hostmaster.currentStatus(nid), -1)
      await sandbox.waitForJournal((entry) => entry.event === 'backend-end' && entry.nid === nid)
      await run
      assert.equal(await hostmaster.currentStatus(nid), -1)
    })
  }

  test('a task can ignore TERM, and only KILL ends it', async () => {
    const { nid } = await queue({ ignore_term: 1, log: 10_000, log_every_ms: 5 })
    const run = hostingTask(nid)
    const { pid } = await started(nid)
    const written = async (rows: number) => (await hostmaster.log(nid)).length >= rows
    await sandbox.waitFor(() => written(3), { what: 'the task to be at work' })
    process.kill(pid, 'SIGTERM')
    const rows = (await hostmaster.log(nid)).length
    await sandbox.waitFor(() => written(rows + 3), { what: 'the task to go on after TERM' })
    process.kill(pid, 'SIGKILL')
    assert.equal((await run).signal, 'SIGKILL')
  })

  test('a task can leave a child behind that outlives it', async () => {
    const { nid } = await queue({ outlive_ms: 300, close_output: 1 })
    await hostingTask(nid)
    const child = await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.nid === nid)
    assert.equal(child.sid, sandbox.journalFile.of('start', nid)[0]?.sid)
    const end = sandbox.journalFile.of('end', nid)[0]
    const left = await sandbox.waitForJournal((entry) => entry.event === 'backend-end' && entry.nid === nid)
    assert.ok(end && left.time > end.time)
  })

  test('a nested task is a run of its own inside the one that called it', async () => {
    const { nid } = await queue({ nested: '@hostmaster verify sandbox_ms=20' })
    assert.equal((await hostingTask(nid)).code, 0)
    const events = sandbox.journal().filter((entry) => (entry.nid ?? 0) >= nid)
    const nested = events[1]?.nid ?? 0
    assert.deepEqual(
      events.map((entry) => [entry.event, entry.nid]),
      [
        ['start', nid],
        ['start', nested],
        ['end', nested],
        ['end', nid],
      ],
    )
    assert.equal(await hostmaster.currentStatus(nested), 1)
  })

  test('a task prints what it is told to, megabytes and bytes that are not UTF-8', async () => {
    const { nid } = await queue({ print: 'hello\n', print_bytes: 1, print_mb: 2 })
    const { stdout } = await hostingTask(nid)
    assert.ok(stdout.startsWith('hello\n'))
    assert.ok(stdout.includes('\ufffd'), 'which Node cannot decode')
    assert.ok(stdout.length > 2 << 20)
  })
})

describe('the guard', () => {
  test('two drushes that start at once both run a task when there is a gap between look and save', async () => {
    sandbox.configureDrush({ guard_gap_ms: 1000 })
    const { nid } = await queue()
    const results = await Promise.all([hostingTask(nid), hostingTask(nid)])
    assert.deepEqual(
      results.map((result) => result.code),
      [0, 0],
    )
    assert.equal(sandbox.journalFile.of('start', nid).length, 2)
    assert.deepEqual(
      (await hostmaster.taskRows(nid)).map((row) => row.task_status),
      [0, 1, 1],
    )
  })

  test('an inline hosting-task makes a queued task and runs it in the same process', async () => {
    const before = sandbox.journal().length
    const result = await sandbox.drush(['@hostmaster', 'hosting-task', '@hostmaster', 'verify', 'sandbox_end=warning'])
    assert.equal(result.code, 0, result.stderr)
    const [start, end] = sandbox.journal().slice(before)
    assert.ok(start?.nid && end)
    assert.deepEqual([start.event, end.event, end.status], ['start', 'end', 3])
    const rows = await hostmaster.taskRows(start.nid)
    assert.deepEqual(
      rows.map((row) => [row.vid, row.task_status, row.rid]),
      [
        [start.queued_vid, 0, site],
        [start.vid, 3, site],
      ],
    )
  })
})

describe('other commands', () => {
  test('status says that the database is connected', async () => {
    const { code, stdout } = await sandbox.drush(['@hostmaster', 'status'])
    assert.equal(code, 0)
    assert.match(stdout, /Drupal bootstrap +: +Successful/)
    assert.match(stdout, /Database +: +Connected/)
  })

  test('status fails for a bad alias and under too high a load', async () => {
    assert.equal((await sandbox.drush(['@nobody', 'status'])).code, 1)
    sandbox.configureDrush({ refuse_all: 'load' })
    assert.equal((await sandbox.drush(['@hostmaster', 'status'])).code, 1)
  })

  test('a command of the configuration does what it says there, and an unknown one fails', async () => {
    sandbox.configureDrush({ commands: { 'hosting-dispatch': { print: 'dispatched\n', exit: 3 } } })
    const { code, stdout } = await sandbox.drush(['@hostmaster', 'hosting-dispatch'])
    assert.deepEqual([code, stdout], [3, 'dispatched\n'])
    assert.equal(sandbox.journal().at(-1)?.event, 'command-end')
    assert.equal((await sandbox.drush(['@hostmaster', 'hosting-nothing'])).code, 1)
  })
})
