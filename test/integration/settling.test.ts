import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { RunRecord } from '../../src/runner/run-record.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let records: RunRecords
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  configure(sandbox)
  sites = await makeSites(sandbox, 6)
})
afterEach(async () => {
  for (const daemon of sandbox.daemons) {
    daemon.kill()
    await daemon.exited
  }
})
after(() => sandbox.close())

/** Queues tasks on sites in this order. @returns their nids. */
async function queue(
  ...tasks: { site: number; type?: string; arguments?: Record<string, string> }[]
): Promise<number[]> {
  const changed = Math.floor(Date.now() / 1000) - 60
  const nids: number[] = []
  for (const [index, { site, type = 'verify', arguments: args = {} }] of tasks.entries()) {
    const object = sites[site] ?? 0
    const task = await sandbox.hostmaster.queueTask({ object, type, arguments: args, changed: changed + index })
    nids.push(task.nid)
  }
  return nids
}

async function settled(nid: number): Promise<RunRecord & { settled_at: number }> {
  const look = () => records.of(nid).find(({ state }) => state === 'settled')
  const record = await sandbox.waitFor(look, { what: `the settled run of ${nid}`, timeoutMs: PATIENCE_MS })
  assert.ok(record.settled_at !== null)
  return { ...record, settled_at: record.settled_at }
}

test('a task on another object is begun before the one that made room for it is settled, and is told of after it', async () => {
  const daemon = await startLeader(sandbox)
  const [first = 0, second = 0] = await queue({ site: 0 }, { site: 1 })
  const [one, two] = [await settled(first), await settled(second)]
  assert.ok(two.planned_at < one.settled_at, `planned at ${two.planned_at}, the first settled at ${one.settled_at}`)
  assert.ok(two.planned_at >= (one.ended_at ?? Infinity), 'but not before the first had ended')
  // The record is settled before the log says so.
  await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === second, { timeoutMs: PATIENCE_MS })
  const told = daemon.logs.filter(({ msg }) => msg === 'task started' || msg === 'task ended')
  assert.deepEqual(
    told.map(({ msg, nid }) => [msg, nid]),
    [
      ['task started', first],
      ['task ended', first],
      ['task started', second],
      ['task ended', second],
    ],
  )
  await stopDaemon(daemon)
})

test('a task on the same object, or behind a drush that failed, waits until the run before it is settled', async () => {
  const daemon = await startLeader(sandbox)
  const [first = 0, same = 0] = await queue({ site: 0 }, { site: 0, type: 'backup' })
  assert.ok((await settled(same)).planned_at >= (await settled(first)).settled_at)
  const [failing = 0, behind = 0] = await queue({ site: 0, arguments: { sandbox_end: 'error' } }, { site: 1 })
  assert.ok((await settled(behind)).planned_at >= (await settled(failing)).settled_at)
  await stopDaemon(daemon)
})

test('a run whose end could not be noted holds its slot until it is settled', async () => {
  const daemon = await startLeader(sandbox)
  const [first = 0, second = 0] = await queue({ site: 0, arguments: { sandbox_until: 'noted' } }, { site: 1 })
  await sandbox.waitForStatus(first, -1, PATIENCE_MS)
  sandbox.folder.makeFolder(`home/config/skynet/state/runs/${records.of(first)[0]?.run ?? ''}/exit`, 0o700)
  sandbox.release('noted')
  const [one, two] = [await settled(first), await settled(second)]
  assert.deepEqual([one.outcome, one.exit], ['success', { kind: 'code', code: 0 }])
  assert.ok(two.planned_at >= one.settled_at)
  await stopDaemon(daemon)
})

test('runs of one slot take turns in two shells; what a run leaves in its session is left to itself', async () => {
  const daemon = await startLeader(sandbox)
  const agent = { sandbox_outlive_ms: '60000', sandbox_outlive_as: 'sleep' }
  const nids = await queue(
    ...[0, 1, 2, 3, 4, 5].map((site) => ({ site })),
    { site: 0, arguments: agent },
    ...[1, 2, 3, 4, 5].map((site) => ({ site })),
  )
  const runs: RunRecord[] = []
  for (const nid of nids) runs.push(await settled(nid))
  const shells = runs.map(({ child }) => child?.pid)
  assert.equal(new Set(shells.slice(0, 7)).size, 2)
  assert.equal(shells.slice(7).includes(shells[6]), false)
  const left = new ProcessTable().ofSession(shells[6] ?? 0)
  assert.equal(left.length, 1, 'the agent lives, and the shell has gone')
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  await stopDaemon(daemon)
})

test('while runs cannot be settled, no more than one is started in the place of each slot', async () => {
  const history = join(sandbox.configFolder, 'state/history')
  const daemon = await startLeader(sandbox)
  chmodSync(history, 0o500)
  const nids = await queue(...[0, 1, 2, 3, 4, 5].map((site) => ({ site })))
  try {
    await daemon.waitForLog('state directory cannot be written; nothing is started', { timeoutMs: PATIENCE_MS })
    // The daemon has gone round some times.
    for (let round = 0; round < 3; round += 1) await sandbox.skynet(['status'])
    const started = nids.filter((nid) => records.of(nid).length > 0)
    assert.ok(started.length <= 2, `${started.length} have been started`)
    assert.equal(linesOf(daemon, 'task ended').length, 0)
  } finally {
    chmodSync(history, 0o700)
  }
  for (const nid of nids) assert.equal((await settled(nid)).outcome, 'success')
  for (const nid of nids) assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  daemon.kill('SIGTERM')
  await daemon.exited
})

test('what keeps the next task from starting does not keep the last one from being settled', async () => {
  const { hostmaster } = sandbox
  const daemon = await startLeader(sandbox)
  const [first = 0, second = 0] = await queue({ site: 0, arguments: { sandbox_until: 'broken' } }, { site: 1 })
  await sandbox.waitForStatus(first, -1, PATIENCE_MS)
  await hostmaster.execute('RENAME TABLE hosting_service TO hosting_service_away')
  await hostmaster.execute('UPDATE node SET changed = UNIX_TIMESTAMP() WHERE nid = ?', [sites[5]])
  sandbox.release('broken')
  try {
    assert.equal((await settled(first)).outcome, 'success')
    assert.equal(records.of(second).length, 0)
  } finally {
    await hostmaster.execute('RENAME TABLE hosting_service_away TO hosting_service')
  }
  assert.equal((await settled(second)).outcome, 'success')
  daemon.kill('SIGTERM')
  await daemon.exited
})
