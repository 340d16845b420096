import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { RunRecord } from '../../src/runner/run-record.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, startLeader } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR

let sandbox: Sandbox
let records: RunRecords
let sample: RunRecord

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  const [object = 0] = await makeSites(sandbox, 1)
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'verify' })
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  await endDaemons(sandbox)
  const [record] = records.in('history')
  assert.ok(record)
  sample = record
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

/** A run that ended so long ago, as a daemon of that time left it. */
function past(nid: number, age: number, { type = 'verify', bytes = 100 } = {}): string {
  const at = Date.now() - age
  const run = `${new Date(at - 1000).toISOString().replace(/[-:.]/g, '')}-${nid}-${nid}`
  const times = { planned_at: at - 1000, started_at: at - 1000, ended_at: at, settled_at: at }
  records.write({ ...sample, run, nid, vid: nid, type, ...times }, { output: 'x'.repeat(bytes) }, 'history')
  return run
}

const isKept = (run: string) => existsSync(records.folder(run, 'history'))
const outputIsKept = (run: string) => existsSync(join(records.folder(run, 'history'), 'output'))

test('a daemon removes what is older than keep, and outputs with a login link after a day; the rest stays', async () => {
  const [old, recent] = [past(1, 15 * DAY), past(2, 13 * DAY)]
  const [login, install, newLogin] = [
    past(3, 25 * HOUR, { type: 'login-reset' }),
    past(4, 25 * HOUR, { type: 'install' }),
    past(5, 23 * HOUR, { type: 'login-reset' }),
  ]
  const unsettled = { ...sample, run: '20200101T000000000Z-6-6', nid: 6, vid: 6, state: 'running' as const }
  records.write({ ...unsettled, owner: { ...sample.owner, machine: 'another' }, outcome: null, settled_at: null })
  const daemon = await startLeader(sandbox)
  await sandbox.waitFor(() => !isKept(old), { what: 'the pruning', timeoutMs: PATIENCE_MS })
  await sandbox.waitFor(() => !outputIsKept(install), { what: 'its end', timeoutMs: PATIENCE_MS })
  assert.deepEqual([recent, login, install, newLogin].map(isKept), [true, true, true, true])
  assert.deepEqual([recent, login, install, newLogin].map(outputIsKept), [true, false, false, true])
  assert.ok(existsSync(records.folder(unsettled.run)))
  assert.deepEqual(linesOf(daemon, 'something unexpected went wrong; trying again'), [])
})

test('beyond keep_bytes a daemon removes the oldest', async () => {
  const runs = [4, 3, 2].map((days) => past(10 + days, days * DAY, { bytes: 600 * 1024 }))
  configure(sandbox, { state: { keep_bytes: '1M' } })
  await startLeader(sandbox)
  await sandbox.waitFor(() => runs.slice(0, 2).every((run) => !isKept(run)), {
    what: 'the pruning',
    timeoutMs: PATIENCE_MS,
  })
  assert.ok(isKept(runs[2] ?? ''))
})
