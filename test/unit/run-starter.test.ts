import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { claimOrigin, claimValue } from '../../src/daemon/run-claim.js'
import { RunKeeper } from '../../src/daemon/run-keeper.js'
import { RunStarter } from '../../src/daemon/run-starter.js'
import type { DaemonParts } from '../../src/daemon/daemon-parts.js'
import { DatabaseError, type DatabaseConnection } from '../../src/hostmaster/connection.js'
import type { LeaderLock } from '../../src/hostmaster/leader-lock.js'
import type { TaskRow } from '../../src/hostmaster/task-queries.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import { plannedRecord, runName } from '../../src/runner/run-record.js'
import { RunStore } from '../../src/runner/run-store.js'

const TASK: TaskRow = { nid: 7, vid: 10, type: 'verify', rid: 3, object: 'site', changed: 0, status: 0, arguments: {} }
const RUN = runName(TASK, Date.UTC(2026, 10, 20))

let folder: string
let store: RunStore
let keeper: RunKeeper
let starter: RunStarter
/** Who has claimed the task. */
let claim: string | undefined
let warnings: string[]
const processes = new ProcessTable()
const self = processes.identify(process.pid)
assert.ok(self)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-starter-'))
  store = new RunStore(folder)
  warnings = []
  const clock = { now: () => Date.now() }
  const logger = { warn: (_fields: unknown, message: string) => warnings.push(message), debug: () => undefined }
  keeper = new RunKeeper({
    store,
    processes,
    clock,
    logger,
    self,
    surroundings: { home: folder, environment: { PATH: '/bin' }, umask: 0o22 },
    settings: () => ({ drush: { command: 'true', alias: '@a', nice: 0 }, timeout: () => null, outputLimit: 1_000 }),
    ending: () => undefined,
    changed: () => undefined,
  } as unknown as ConstructorParameters<typeof RunKeeper>[0])
  const origin = claimOrigin(processes, folder)
  claim = claimValue(origin, RUN)
  const connection = {
    change: (statement: string) => {
      if (statement.startsWith('INSERT')) {
        const fault = { kind: 'duplicate', message: 'duplicate' } as unknown as DatabaseError['fault']
        return Promise.reject(new DatabaseError(fault, undefined))
      }
      claim = undefined
      return Promise.resolve(1)
    },
    rows: () => Promise.resolve(claim === undefined ? [] : [{ value: claim }]),
  } as unknown as DatabaseConnection
  const parts = {
    reader: { mirror: { waiting: new Map([[TASK.nid, TASK]]) } },
    keeper,
    store,
    origin,
    logger,
    clock,
    conditions: { begin: () => undefined, end: () => undefined },
    lockRow: { value: 'skynet:host:1' },
    claimedElsewhere: { note: () => true },
  } as unknown as DaemonParts
  starter = new RunStarter(
    parts,
    connection,
    { name: 'lock', connectionId: 1 } as unknown as LeaderLock,
    () => undefined,
  )
})
afterEach(() => {
  keeper.releaseAll()
  rmSync(folder, { recursive: true, force: true })
})

const start = () =>
  starter.start({ task: TASK, footprint: { locks: [], object: 'site', webServers: [] } } as unknown as Parameters<
    RunStarter['start']
  >[0])

describe('a task whose claim is of a run of this state directory', () => {
  test('is left alone while that run stands on disk: another daemon has taken it over', async () => {
    const { nid, vid, type, rid, object } = TASK
    const owner = { ...self, pid: process.ppid }
    store.create(
      plannedRecord({ run: RUN, nid, vid, type, rid, object, footprint: null, owner, child: null, planned_at: 0 }),
    )
    assert.equal(await start(), 'not ours')
    assert.notEqual(claim, undefined, 'without it the task would be started a second time')
    assert.deepEqual(warnings, ['task is claimed by another daemon; it is left to that one'])
    assert.deepEqual(store.names(), [RUN])
  })

  test('is free again where that run is none any more: the claim came back with a restored database', async () => {
    assert.equal(await start(), 'not ours')
    assert.equal(claim, undefined)
    assert.deepEqual(store.names(), [])
  })
})

test('a run that cannot be taken back from disk is one that never appeared, to whoever adopts it', async () => {
  const remove = store.remove.bind(store)
  store.remove = () => {
    throw Object.assign(new Error('not now'), { code: 'EACCES' })
  }
  await assert.rejects(start(), { code: 'EACCES' })
  assert.equal(keeper.active.length, 0)
  const [run = ''] = store.names()
  keeper.adopt()
  const [adopted] = keeper.active
  assert.ok(adopted?.phase === 'ended' && !adopted.appeared && adopted.record.run === run)
  store.remove = remove
  keeper.settle(adopted.record, 'withdrawn')
  assert.deepEqual(store.names(), [])
})
