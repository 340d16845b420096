import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AegirSite } from '../sandbox/aegir-site.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'

const BLOG = 'blog.example.com'

let sandbox: Sandbox
let aegir: AegirSite
let daemon: DaemonProcess

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  // skynet.conf is written anew by each verify of the hostmaster site.
  sandbox.writeConfig({ queue: { poll_interval: '50ms', max_load: 1000 } }, { file: 'local.skynet.conf' })
  aegir = await AegirSite.create(sandbox)
  const server = await sandbox.hostmaster.server({ name: 'web1' })
  const platform = await sandbox.hostmaster.platform({ name: 'drupal7', server })
  await sandbox.hostmaster.site({ uri: BLOG, platform, dbServer: server })
})
after(() => sandbox.close())

function answerOf(verb: string, { stdout }: CommandResult): Record<string, unknown> {
  const answer = JSON.parse(stdout) as Record<string, unknown>
  assertFitsSchema(verb, answer)
  return answer
}

async function argumentsOf(nid: number): Promise<Record<string, string>> {
  const rows = await sandbox.hostmaster.query<{ name: string; value: string }>(
    'SELECT a.name, a.value FROM hosting_task_arguments a JOIN node n ON n.vid = a.vid WHERE n.nid = ?',
    [nid],
  )
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

test('without the module a task cannot be queued, and the verb says how to get it', async () => {
  const result = await sandbox.skynet(['queue', BLOG, 'verify'])
  assert.deepEqual([result.code, result.stdout], [1, ''])
  assert.match(result.stderr, /module, which queues tasks, is not enabled.*\nEnable it: .*pm-enable hosting_skynet/)
  await aegir.installModule()
})

test('queue queues a task through the module, also while no daemon runs; its arguments stand in no process list', async () => {
  const value = 'p "ss" ✓ = \\ $x'
  const result = await sandbox.skynet(['queue', `@${BLOG}`, 'backup', `description=${value}`, 'client_email='])
  assert.equal(result.code, 0, result.stderr)
  assert.match(result.stderr, /The daemon is not running: the task waits/)
  const nid = Number(/^Task (\d+) \(backup blog\.example\.com\) is queued\.$/m.exec(result.stdout)?.[1])
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 0)
  assert.deepEqual(await argumentsOf(nid), { description: value, client_email: '' })
  const [command] = sandbox
    .journal()
    .filter(({ event, command }) => event === 'command-start' && command === 'skynet-queue')
  assert.deepEqual(command?.['arguments'], [])
})

test('Aegir’s own checks apply, and its words are passed on', async () => {
  const cases: [string[], number, RegExp][] = [
    [
      ['nowhere.example.com', 'verify'],
      1,
      /Aegir says: There is no site, platform or server named @nowhere\.example\.com in Aegir\.$/m,
    ],
    [
      [BLOG, 'frobnicate'],
      1,
      /Aegir says: There is no task "frobnicate" for a site\. Known are: verify, .*, login-reset\.$/m,
    ],
    [
      ['hostmaster', 'delete'],
      1,
      /Aegir refused to queue the task "delete" for @hostmaster: that one is guarded against it\.$/m,
    ],
    [[BLOG, 'verify', 'nonsense'], 2, /“nonsense” is no argument of a task: NAME=VALUE/],
    [[BLOG, 'verify', '--timeout', '1s'], 2, /--timeout goes with --wait/],
  ]
  for (const [args, code, words] of cases) {
    const result = await sandbox.skynet(['queue', ...args])
    assert.match(result.stderr, words)
    assert.deepEqual([result.code, result.stdout], [code, ''])
  }
  const json = await sandbox.skynet(['queue', BLOG, 'frobnicate', '--json'])
  assert.equal(json.code, 1)
  assert.equal(answerOf('queue', json)['code'], 'FAILED')
})

test('--wait says how it stands and ends as the task does', async () => {
  daemon = await startLeader(sandbox)
  const ends: [string, number, string][] = [
    ['success', 0, 'success'],
    ['warning', 0, 'warning'],
    ['error', 1, 'error'],
  ]
  for (const [end, code, status] of ends) {
    const result = await sandbox.skynet(['queue', BLOG, 'verify', `sandbox_end=${end}`, '--wait', '--json'])
    assert.equal(result.code, code, result.stdout + result.stderr)
    const answer = answerOf('queue', result)
    assert.deepEqual([answer['status'], answer['ok']], [status, code === 0])
  }
  const words = await sandbox.skynet(['queue', BLOG, 'verify', 'sandbox_end=error', 'sandbox_ms=1000', '--wait'])
  assert.equal(words.code, 1)
  assert.match(
    words.stdout,
    /^Task \d+ \(verify blog\.example\.com\) has failed after \d s: The sandbox told this task/m,
  )
  // Not a terminal: each state once, without ages.
  assert.equal(words.stderr.match(/is running\.$/gm)?.length, 1, words.stderr)
})

test('--wait says why a task waits, gives up after --timeout, and notices that it was cancelled', async () => {
  await sandbox.skynet(['pause', '--reason', 'lunch'])
  const late = await sandbox.skynet(['queue', BLOG, 'verify', '--wait', '--timeout', '1s'])
  assert.equal(late.code, 1)
  assert.match(late.stderr, /waits: The queue is paused by .* \(lunch\)\.$/m)
  assert.match(late.stderr, /has not ended within 1 s; it goes on/)
  const waiting = sandbox.skynet(['queue', BLOG, 'backup', '--wait', '--json'])
  const nid = await sandbox.waitFor(
    async () => {
      const [row] = await sandbox.hostmaster.query<{ nid: number }>(
        "SELECT t.nid FROM hosting_task t JOIN node n ON n.vid = t.vid WHERE t.task_type = 'backup' AND t.task_status = 0 ORDER BY t.vid DESC LIMIT 1",
      )
      return row && (await sandbox.skynet(['why', String(row.nid)])).stdout.includes('lunch') && row.nid
    },
    { what: 'the task' },
  )
  await sandbox.skynet(['cancel', String(nid)])
  const result = await waiting
  assert.equal(result.code, 1)
  assert.equal(answerOf('queue', result)['status'], 'cancelled')
  await sandbox.skynet(['resume'])
})

test('retry queues what failed once more, with all its arguments, as a task of its own', async () => {
  const long = 'x'.repeat(5_000)
  const failing = await sandbox.skynet([
    'queue',
    BLOG,
    'backup',
    'sandbox_end=error',
    `description=${long}`,
    '--wait',
    '--json',
  ])
  const { nid } = answerOf('queue', failing) as { nid: number }
  const result = await sandbox.skynet(['retry', String(nid), '--wait', '--json'])
  assert.equal(result.code, 1, result.stderr)
  const answer = answerOf('retry', result) as { nid: number }
  assert.notEqual(answer.nid, nid)
  assert.deepEqual(
    { ...answer, nid: 0, took_ms: 0 },
    {
      ok: false,
      nid: 0,
      type: 'backup',
      object: BLOG,
      status: 'error',
      took_ms: 0,
      retry_of: nid,
    },
  )
  assert.deepEqual(await argumentsOf(answer.nid), await argumentsOf(nid))
  assert.equal((await argumentsOf(answer.nid))['description'], long)
})

test('what waits, runs, has succeeded or does not exist is not retried', async () => {
  const done = answerOf('queue', await sandbox.skynet(['queue', BLOG, 'verify', '--wait', '--json'])) as { nid: number }
  const running = answerOf('queue', await sandbox.skynet(['queue', BLOG, 'verify', 'sandbox_until=go', '--json'])) as {
    nid: number
  }
  await sandbox.waitForStatus(running.nid, -1, PATIENCE_MS)
  const cases: [string, RegExp][] = [
    [
      String(done.nid),
      /has succeeded; there is nothing to retry\.\nTo do the same.*skynet queue @blog\.example\.com verify/,
    ],
    [String(running.nid), /is still being processed/],
    ['4000000000', /There is no task 4000000000/],
  ]
  for (const [nid, words] of cases) {
    const result = await sandbox.skynet(['retry', nid])
    assert.match(result.stderr, words)
    assert.deepEqual([result.code, result.stdout], [1, ''])
  }
  sandbox.release('go')
  await sandbox.waitForStatus(running.nid, 1, PATIENCE_MS)
  await stopDaemon(daemon)
})

test('without a database, and without drush, both say so', async () => {
  configure(sandbox, { database: { ...sandbox.databaseSection(), port: 1 } })
  const retry = await sandbox.skynet(['retry', '12'])
  assert.equal(retry.code, 69)
  assert.match(retry.stderr, /Task 12 was not queued again: nothing listens/)
  configure(sandbox, { drush: { command: '/nowhere/drush' } })
  const queue = await sandbox.skynet(['queue', BLOG, 'verify'])
  assert.equal(queue.code, 1)
  assert.match(queue.stderr, /drush cannot be started: \/nowhere\/drush.*\nSet \[drush\] command/)
})
