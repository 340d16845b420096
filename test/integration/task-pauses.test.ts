import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { PausesAnswer } from '../../src/daemon/control-answers.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

const BLOG = 'blog.example.com'
const SHOP = 'shop.example.com'

let sandbox: Sandbox
let blog: number
let shop: number

before(async () => {
  sandbox = await Sandbox.create()
  const { platform, server } = await sandbox.hostmaster.hostmasterSite()
  blog = await sandbox.hostmaster.site({ uri: BLOG, platform, dbServer: server })
  shop = await sandbox.hostmaster.site({ uri: SHOP, platform, dbServer: server })
  await sandbox.hostmaster.execute(`CREATE TABLE hosting_skynet_daemon (
    id VARCHAR(64) PRIMARY KEY, host VARCHAR(255), pid INT UNSIGNED, version VARCHAR(32), state VARCHAR(32), started INT,
    heartbeat INT, snapshot LONGTEXT)`)
  configure(sandbox, { queue: { concurrent_tasks: 2 } })
})
afterEach(async () => {
  await sandbox.skynet(['resume', '--all'])
  await endDaemons(sandbox)
  await sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 2 WHERE task_status IN (0, -1)')
})
after(() => sandbox.close())

async function queue(object: number, type: string): Promise<number> {
  return (await sandbox.hostmaster.queueTask({ object, type })).nid
}

async function says(...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await sandbox.skynet(args)
  assert.equal(code, 0, stderr)
  return stdout
}

test('a pause of a type keeps those tasks waiting and no others, is shown everywhere, and outlives the daemon', async () => {
  let daemon = await startLeader(sandbox)
  assert.equal(
    await says('pause', '--type', 'backup', '--reason', 'the disk\u001b[31m is slow'),
    'All backup tasks are paused; running tasks go on. To go on: skynet resume --type backup\n',
  )
  const backup = await queue(blog, 'backup')
  const verify = await queue(shop, 'verify')
  await sandbox.waitForStatus(verify, 1, PATIENCE_MS)
  const why = new RegExp(
    `^It is paused, with all backup tasks, by ${sandbox.folder.account.name} since .*Z \\(the disk is slow\\)\\.`,
  )
  const status = await waitForStatusOf(sandbox, 'the backup to wait', ({ waiting }) => waiting.count === 1)
  assert.deepEqual(status.paused, [])
  assert.deepEqual(
    status.paused_tasks.map(({ type, object, reason, until }) => [type, object, reason, until]),
    [['backup', null, 'the disk is slow', null]],
  )
  assert.match(status.waiting.next[0]?.reason ?? '', why)
  assert.match(await says('status'), /^Paused: +backup tasks by \w+ for \d+ s: the disk is slow$/m)
  assert.match(await says('why', String(backup)), why)
  assert.match(await says('plan'), /Would wait: 1\n.*It is paused, with all backup tasks/)
  const [row] = await sandbox.hostmaster.query<{ snapshot: string }>('SELECT snapshot FROM hosting_skynet_daemon')
  const snapshot = JSON.parse(row?.snapshot ?? '{}') as { paused: unknown; paused_tasks: Record<string, unknown>[] }
  assert.equal(snapshot.paused, null)
  assert.deepEqual(
    snapshot.paused_tasks.map(({ type, object, reason }) => [type, object, reason]),
    [['backup', '', 'the disk is slow']],
  )
  assert.equal(linesOf(daemon, 'some tasks are paused').length, 1)

  daemon.kill('SIGTERM')
  await daemon.exited
  assert.match(await says('why', String(backup)), why)
  assert.match(await says('plan'), /Would wait: 1\n.*It is paused, with all backup tasks/)
  daemon = await startLeader(sandbox)
  await waitForStatusOf(sandbox, 'the pause', ({ paused_tasks }) => paused_tasks.length === 1)
  assert.equal(linesOf(daemon, 'some tasks are paused').length, 1)
  // --once has nothing to wait for.
  assert.deepEqual(sandbox.journalFile.of('start', backup), [])
  assert.equal(await says('resume', '--type', 'backup'), 'All backup tasks are resumed.\n')
  await sandbox.waitForStatus(backup, 1, PATIENCE_MS)
  assert.equal(linesOf(daemon, 'some tasks are resumed').length, 1)
})

test('a pause of an object, and of a type on an object, holds just that; the queue resumes without them', async () => {
  await startLeader(sandbox)
  await says('pause', '--object', `@${BLOG}`)
  await says('pause', '--type', 'backup', '--object', SHOP)
  await says('pause', '--reason', 'all of it')
  const verify = await queue(blog, 'verify')
  const other = await queue(shop, 'verify')
  const backup = await queue(shop, 'backup')
  await waitForStatusOf(sandbox, 'three tasks', ({ waiting }) => waiting.count === 3)
  const resumed = await sandbox.skynet(['resume'])
  assert.deepEqual([resumed.code, resumed.stdout], [0, 'The queue is resumed.\n'])
  assert.match(
    resumed.stderr,
    /Still paused: tasks of blog\.example\.com, by .*skynet resume --object blog\.example\.com/,
  )
  assert.match(resumed.stderr, /skynet resume --type backup --object shop\.example\.com/)
  await sandbox.waitForStatus(other, 1, PATIENCE_MS)
  const { waiting } = await waitForStatusOf(sandbox, 'two tasks', (status) => status.waiting.count === 2)
  assert.deepEqual(waiting.next.map(({ nid }) => nid).sort(), [verify, backup].sort())
  const wrong = await sandbox.skynet(['resume', '--type', 'backup'])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /No pause of backup tasks is in force\.\nIn force are.*\n.*--object/)
  const json = await sandbox.skynet(['resume', '--all', '--json'])
  const answer = JSON.parse(json.stdout) as PausesAnswer
  assertFitsSchema('resume', answer)
  assert.deepEqual([answer.queue, answer.tasks, answer.ended.length], [[], [], 2])
  await sandbox.waitForStatus(verify, 1, PATIENCE_MS)
  await sandbox.waitForStatus(backup, 1, PATIENCE_MS)
})

test('--until resumes by itself, also when the daemon was down meanwhile', async () => {
  const daemon = await startLeader(sandbox)
  const paused = await sandbox.skynet(['pause', '--until', '1500ms', '--json'])
  assert.equal(paused.code, 0, paused.stderr)
  const answer = JSON.parse(paused.stdout) as PausesAnswer
  assertFitsSchema('pause', answer)
  const until = answer.queue[0]?.until ?? 0
  const nid = await queue(blog, 'verify')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const [start] = sandbox.journalFile.of('start', nid)
  assert.ok((start?.time ?? 0) * 1000 >= until - 1, `${start?.time} before ${until}`)
  assert.equal(linesOf(daemon, 'queue is resumed').length, 1)

  await says('pause', '--until', '1h', '--type', 'verify')
  assert.match(await says('status'), /^Paused: +verify tasks by \w+ for \d+ s, 60 min more$/m)
  await says('pause', '--until', '1s', '--type', 'verify')
  daemon.kill('SIGTERM')
  await daemon.exited
  const second = await queue(blog, 'verify')
  await startLeader(sandbox)
  await sandbox.waitForStatus(second, 1, PATIENCE_MS)
  assert.deepEqual((await readStatus(sandbox)).paused_tasks, [])
})

test('--once leaves paused tasks, and those behind them, alone', async () => {
  const daemon = await startLeader(sandbox)
  await says('pause', '--type', 'backup')
  daemon.kill('SIGTERM')
  await daemon.exited
  const backup = await queue(blog, 'backup')
  const behind = await queue(blog, 'verify')
  const other = await queue(shop, 'verify')
  const once = sandbox.startDaemon(['--once'])
  assert.deepEqual(await once.waitForExit(), { code: 0, signal: null }, once.lastWords())
  const statuses = [backup, behind, other].map((nid) => sandbox.hostmaster.currentStatus(nid))
  assert.deepEqual(await Promise.all(statuses), [0, 0, 1])
  await startLeader(sandbox)
})

test('what cannot be paused is refused, and nothing is paused', async () => {
  await startLeader(sandbox)
  const cases: [string[], number, RegExp][] = [
    [['--object', 'blug.example.com'], 1, /There is no site, platform or server named blug\.example\.com/],
    [['--object', BLOG.toUpperCase()], 1, /There is no site, platform or server named BLOG/],
    [['--type', 'constructor'], 1, /There is no task of type constructor/],
    [['--type', 'verfy'], 1, /There is no task of type verfy in Aegir.*\nDid you mean verify\?/],
    [['--until', 'tomorrow'], 2, /“tomorrow” is no time\.\nSay how long/],
    [['--until', '2020-01-01T00:00'], 2, /is in the past/],
  ]
  for (const [args, code, words] of cases) {
    const result = await sandbox.skynet(['pause', ...args])
    assert.match(result.stderr, words)
    assert.deepEqual([result.code, result.stdout], [code, ''])
  }
  const { paused, paused_tasks } = await readStatus(sandbox)
  assert.deepEqual([paused, paused_tasks], [[], []])
})

test('the type of a contributed module can be paused when there has been a task of it', async () => {
  await startLeader(sandbox)
  assert.equal((await sandbox.skynet(['pause', '--type', 'deploy_code'])).code, 1)
  const { nid } = await sandbox.hostmaster.queueTask({ object: blog, type: 'deploy_code' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await says('pause', '--type', 'deploy_code')
  assert.equal((await sandbox.skynet(['pause', '--type', 'Deploy_code'])).code, 1, 'a plan compares letter by letter')
  assert.equal(await says('resume', '--all'), 'The pauses of some tasks are ended; the queue was not paused.\n')
})
