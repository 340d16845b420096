import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

const DAY = 86_400

let sandbox: Sandbox
let site: number
let tasks: number[]

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  site = (await sandbox.hostmaster.hostmasterSite()).site
})
after(() => sandbox.close())

async function queue(days: number): Promise<number> {
  const changed = Math.floor(Date.now() / 1000) - Math.round(days * DAY)
  return (await sandbox.hostmaster.queueTask({ object: site, type: 'verify', changed })).nid
}

test('the very first start with week-old tasks pauses the queue, with a reason that counts them, and runs nothing', async () => {
  tasks = [await queue(0), await queue(400), await queue(6.9), await queue(7.1)]
  const daemon = await startLeader(sandbox)
  const pause = await daemon.waitForLog('queue is paused', { timeoutMs: PATIENCE_MS })
  assert.match(String(pause['reason']), /2 tasks that wait are older than a week/)
  const { paused, waiting } = await waitForStatusOf(sandbox, 'all tasks', (now) => now.waiting.count === 4)
  assert.equal(waiting.next.length, 4)
  assert.deepEqual(
    paused.map(({ by, reason }) => [by, reason]),
    [
      [
        'skynet',
        'first start on this hostmaster: 2 tasks that wait are older than a week; look at them, then run: skynet resume',
      ],
    ],
  )
  await stopDaemon(daemon)
  assert.deepEqual(sandbox.journal(), [])
  assert.equal(linesOf(daemon, 'queue is paused').length, 1)
})

test('a restart does not resume', async () => {
  const daemon = await startLeader(sandbox)
  const { paused } = await waitForStatusOf(sandbox, 'all tasks', (now) => now.waiting.count === 4)
  assert.match(paused[0]?.reason ?? '', /2 tasks/)
  await stopDaemon(daemon)
  assert.deepEqual(sandbox.journal(), [])
})

test('skynet resume runs them all, in the queue’s order, and the next old task is simply run', async () => {
  const daemon = await startLeader(sandbox)
  assert.equal((await sandbox.skynet(['resume'])).code, 0)
  for (const nid of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  const old = await queue(30)
  await sandbox.waitForStatus(old, 1, PATIENCE_MS)
  const [fresh, oldest, young, week] = tasks
  assert.deepEqual(
    sandbox.journalFile.of('start').map(({ nid }) => nid),
    [oldest, week, young, fresh, old],
  )
  await stopDaemon(daemon)
  const again = await queue(30)
  const next = await startLeader(sandbox)
  await sandbox.waitForStatus(again, 1, PATIENCE_MS)
  assert.deepEqual(linesOf(next, 'queue is paused'), [])
  await stopDaemon(next)
})

test('another hostmaster is met for the first time again, one without old tasks is not paused', async () => {
  const other = await sandbox.addHostmaster({ db: 'other', user: 'other', passwd: 'other' })
  const object = (await other.hostmasterSite()).site
  const { nid } = await other.queueTask({ object, type: 'verify' })
  sandbox.configureDrush({ aliases: { hostmaster: other.credentials } })
  configure(sandbox, { database: sandbox.databaseSection(other) })
  const daemon = await startLeader(sandbox)
  await sandbox.waitFor(async () => (await other.currentStatus(nid)) === 1, {
    what: 'the task',
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(linesOf(daemon, 'first start on this hostmaster').length, 1)
  assert.deepEqual(linesOf(daemon, 'queue is paused'), [])
  await stopDaemon(daemon)
})
