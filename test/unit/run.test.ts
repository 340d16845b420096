import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import { plannedRecord } from '../../src/runner/run-record.js'
import type { ShellReport } from '../../src/runner/run-shell.js'
import { RunStore } from '../../src/runner/run-store.js'
import { Run, type RunEvent } from '../../src/runner/run.js'

const RUN = '20261120T120000000Z-7-70'

/** Without any process: a session looks empty as soon as its shell has reported. */
let processes: ProcessTable
let dir: string
let store: RunStore
let events: RunEvent[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skynet-run-'))
  mkdirSync(join(dir, 'proc'))
  processes = new ProcessTable(join(dir, 'proc'))
  store = new RunStore(join(dir, 'state'))
  events = []
})
afterEach(() => {
  rmSync(dir, { recursive: true })
})

function runOf(reported: Promise<ShellReport>): Run {
  const child = { machine: processes.machine, boot: processes.boot, pid: 50, started: 100 }
  const task = { nid: 7, vid: 70, type: 'verify', rid: 3, object: 'a.example' }
  const planned = plannedRecord({ run: RUN, ...task, footprint: null, owner: child, child, planned_at: 1_000 })
  store.create(planned)
  const surroundings = { store, processes, now: () => 2_000, timeout: () => null, outputLimit: 1_000 }
  const shell = { reported, since: undefined, dismiss: () => undefined }
  return new Run(
    { ...planned, state: 'running', child, started_at: 1_000 },
    surroundings,
    (event) => events.push(event),
    shell,
  )
}

const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length

describe('a run of our own', () => {
  test('is over with the report of its shell, which it believes, and leaves no timer behind', async () => {
    const before = timers()
    const run = runOf(Promise.resolve({ exit: { kind: 'code', code: 3 }, isNoted: true }))
    await run.follow()
    assert.deepEqual(events, [{ kind: 'ended', isNoted: true }])
    assert.deepEqual(run.record.exit, { kind: 'code', code: 3 })
    assert.equal(run.record.ended_at, 2_000)
    assert.equal(timers(), before)
  })

  test('is as its shell has noted where the shell was gone before it could report that', async () => {
    const run = runOf(Promise.resolve({ exit: { kind: 'signal', signal: 'PIPE' }, isNoted: false }))
    writeFileSync(join(store.directory(RUN), 'exit'), '4\n')
    await run.follow()
    assert.deepEqual(events, [{ kind: 'ended', isNoted: true }])
    assert.deepEqual(run.record.exit, { kind: 'code', code: 4 })
  })

  test('is as its shell reports where nothing could be noted', async () => {
    const run = runOf(Promise.resolve({ exit: { kind: 'signal', signal: 'KILL' }, isNoted: false }))
    await run.follow()
    assert.deepEqual(events, [{ kind: 'ended', isNoted: false }])
    assert.deepEqual(run.record.exit, { kind: 'signal', signal: 'KILL' })
  })

  test('is followed no more, without a word, when it has been let go of before its shell reports', async () => {
    const before = timers()
    const run = runOf(new Promise(() => undefined))
    const followed = run.follow()
    run.release()
    await followed
    assert.deepEqual(events, [])
    assert.equal(timers(), before)
  })

  test('that another daemon has taken refuses to be cancelled, and does not remember it', () => {
    const run = runOf(new Promise(() => undefined))
    const owner = { ...run.record.owner, pid: 51 }
    store.adopt({ ...run.record, owner })
    assert.equal(run.cancel({ by: 'anna', reason: '', asked_at: 1, grace_ms: 2, term_at: null }), false)
    assert.deepEqual(events, [{ kind: 'taken over' }])
    assert.equal(run.record.cancellation, undefined)
  })
})
