import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { ActiveRun } from '../../src/daemon/active-run.js'
import { RunKeeper } from '../../src/daemon/run-keeper.js'
import { adoptionOf, shellOf } from '../../src/runner/adoption.js'
import { ProcessTable, type ProcessIdentity } from '../../src/runner/process-table.js'
import type { RunRecord } from '../../src/runner/run-record.js'
import { SHELL_NAME } from '../../src/runner/run-shell.js'
import { RunStore, isReadable } from '../../src/runner/run-store.js'
import { Run, type RunEvent } from '../../src/runner/run.js'
import { sessionState } from '../../src/runner/run-session.js'

const RUN = '20261120T120000000Z-7-70'
const NOW = 2_000_000

let dir: string
let proc: string
let store: RunStore
let processes: ProcessTable
let self: ProcessIdentity

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skynet-adoption-'))
  proc = join(dir, 'proc')
  mkdirSync(join(proc, 'sys/kernel/random'), { recursive: true })
  writeFileSync(join(proc, 'sys/kernel/random/boot_id'), 'this-boot\n')
  writeFileSync(join(dir, 'machine-id'), 'this-machine\n')
  store = new RunStore(join(dir, 'state'))
  processes = new ProcessTable(proc, join(dir, 'machine-id'))
  self = { machine: 'this-machine', boot: 'this-boot', pid: 10, started: 5 }
})
afterEach(() => rmSync(dir, { recursive: true }))

/** A process in our own /proc. */
function live(
  pid: number,
  { started = 100, session = pid, state = 'S', args = ['sh'], output = '/dev/null' } = {},
): void {
  mkdirSync(join(proc, String(pid)), { recursive: true })
  const fields = [state, 1, pid, session, ...Array<number>(15).fill(0), started, 0]
  writeFileSync(join(proc, String(pid), 'stat'), `${pid} (a ) (name) ${fields.join(' ')}`)
  writeFileSync(join(proc, String(pid), 'cmdline'), args.map((arg) => `${arg}\0`).join(''))
  mkdirSync(join(proc, String(pid), 'fd'), { recursive: true })
  rmSync(join(proc, String(pid), 'fd/1'), { force: true })
  symlinkSync(output, join(proc, String(pid), 'fd/1'))
}

const dies = (pid: number) => rmSync(join(proc, String(pid)), { recursive: true })
const child = (more: Partial<ProcessIdentity> = {}): ProcessIdentity => ({ ...self, pid: 50, started: 100, ...more })

function record(more: Partial<RunRecord> = {}): RunRecord {
  const made: RunRecord = {
    version: 1,
    run: RUN,
    nid: 7,
    vid: 70,
    type: 'verify',
    rid: 1,
    object: 'o',
    footprint: null,
    state: 'running',
    owner: self,
    child: child(),
    planned_at: 0,
    started_at: 0,
    ended_at: null,
    settled_at: null,
    timed_out: false,
    exit: null,
    outcome: null,
    ...more,
  }
  store.adopt(made)
  return made
}

const shellOfRun = (output = store.outputFile(RUN)) => ({ args: ['/bin/sh', '-c', 'text', SHELL_NAME], output })

function newKeeper(): RunKeeper {
  return new RunKeeper({
    store,
    processes,
    clock: { now: () => NOW, monotonic: () => 0, pause: () => Promise.resolve() },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined } as never,
    surroundings: { home: dir, environment: {}, umask: 0o22 },
    self,
    settings: () => ({
      drush: { command: 'drush', alias: '@hostmaster', nice: 0 },
      timeout: () => null,
      outputLimit: 1e6,
    }),
    ending: () => undefined,
    changed: () => undefined,
  })
}

/** The only run, as a daemon takes it over, which may have lost it before. */
function adoptedRun(lost?: RunRecord): ActiveRun | undefined {
  const keeper = newKeeper()
  if (lost) keeper.lose(lost)
  keeper.adopt()
  const [adopted] = keeper.active
  keeper.releaseAll()
  return adopted
}

test('a run with a child is followed, whether or not the child lives: its session may', () => {
  assert.deepEqual(adoptionOf(record(), store, processes), { kind: 'follow', child: child() })
})

test('a run of an earlier boot has ended, or never was', () => {
  const owner = { ...self, boot: 'earlier' }
  assert.deepEqual(adoptionOf(record({ owner }), store, processes), { kind: 'ended' })
  const planned = record({ owner, state: 'starting' })
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'never appeared' })
  writeFileSync(join(store.directory(RUN), 'started'), '50\n')
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'ended' })
  writeFileSync(join(store.directory(RUN), 'started'), '')
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'ended' }, 'though the crash has emptied the note')
})

test('a run of an earlier boot ended when its shell noted so, and where that was lost, now', () => {
  record({ owner: { ...self, boot: 'earlier' } })
  const exit = join(store.directory(RUN), 'exit')
  writeFileSync(exit, '3\n')
  utimesSync(exit, 1_000, 1_000)
  const noted = adoptedRun()
  assert.ok(noted?.phase === 'ended')
  assert.deepEqual([noted.record.ended_at, noted.record.exit], [1_000_000, { kind: 'code', code: 3 }])
  rmSync(exit)
  record({ owner: { ...self, boot: 'earlier' } })
  const lost = adoptedRun()
  assert.ok(lost?.phase === 'ended')
  assert.deepEqual([lost.record.ended_at, lost.record.exit], [NOW, { kind: 'unknown' }])
})

test('a run whose shell was never told of it never appeared once its fence is up, though the shell lives', () => {
  const planned = record({ state: 'starting' })
  live(50, shellOfRun(join(dir, 'null')))
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'never appeared' })
  assert.ok(existsSync(join(store.directory(RUN), 'started')))
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'never appeared' }, 'and so the next time')
})

test('a run that had begun before its daemon could note so is known by its output, then by its shell’s note', () => {
  const planned = record({ state: 'starting' })
  writeFileSync(join(store.directory(RUN), 'started'), '50\n')
  live(50, shellOfRun())
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'follow', child: child() })
  dies(50)
  assert.deepEqual(adoptionOf(planned, store, processes), { kind: 'follow', child: child() })
  const childless = record({ state: 'starting', child: null })
  assert.deepEqual(adoptionOf(childless, store, processes), { kind: 'follow', child: child({ started: 0 }) })
})

test('a run’s shell is known by its output whatever links lead to it, moved or deleted, and nobody else is taken for it', () => {
  record({ child: null, state: 'starting' })
  for (const output of [`/data/state.old/runs/${RUN}/output`, `/state/runs/${RUN}/output (deleted)`]) {
    live(50, shellOfRun(output))
    assert.deepEqual(shellOf(RUN, store, processes), child(), output)
  }
  live(50, shellOfRun(`/data/runs/${RUN}0/output`))
  live(51, { ...shellOfRun(), session: 50 })
  live(52, { ...shellOfRun(), args: ['sh', 'left-behind-by-drush'] })
  assert.equal(shellOf(RUN, store, processes), undefined)
})

test('a run whose daemon died before it could note the child is as old as its shell’s mark, so that its time limit holds', () => {
  record({ state: 'starting', started_at: null })
  const mark = join(store.directory(RUN), 'started')
  writeFileSync(mark, '50\n')
  utimesSync(mark, 1_000, 1_000)
  live(50, shellOfRun())
  const adopted = adoptedRun()
  assert.ok(adopted?.phase === 'following')
  assert.deepEqual([adopted.record.child?.pid, adopted.record.started_at], [50, 1_000_000])
})

test('a run that was lost while it was being cancelled is ended, with all of its grace from then on', () => {
  // No process of it lives here: the signals would reach whoever has that pid on this machine.
  const cancellation = { by: 'anna', reason: '', asked_at: 1, grace_ms: 30_000, term_at: 2 }
  const lost = record({ cancellation })
  record({ owner: { ...self, pid: 11 }, cancellation: undefined })
  const adopted = adoptedRun(lost)
  assert.ok(adopted?.phase === 'following')
  assert.deepEqual(adopted.record.cancellation, { ...cancellation, term_at: NOW })
  const onDisk = store.read(RUN)
  assert.ok(isReadable(onDisk))
  assert.deepEqual(onDisk.cancellation, adopted.record.cancellation)
})

test('a run that is followed and cancelled stays so when it is taken back from a daemon whose record does not say so', () => {
  record()
  const keeper = newKeeper()
  keeper.adopt()
  const [followed] = keeper.active
  const cancellation = { by: 'anna', reason: '', asked_at: 1, grace_ms: 30_000, term_at: null }
  assert.ok(followed?.phase === 'following' && followed.run.cancel(cancellation))
  record({ owner: { ...self, pid: 11 } })
  assert.deepEqual(
    keeper.adopt().map((adopted) => adopted.cancellation),
    [cancellation],
  )
  keeper.releaseAll()
})

test('an adoption that fails half-way is continued; what it had adopted is told of, what it could not is followed still', () => {
  const other = '20261120T120000000Z-8-80'
  const theirs = { ...self, pid: 11 }
  record({ run: other, nid: 8, vid: 80, child: child({ pid: 51 }) })
  const keeper = newKeeper()
  assert.equal(keeper.adopt().length, 1)
  record({ owner: theirs })
  record({ run: other, nid: 8, vid: 80, child: child({ pid: 51 }), owner: theirs })
  const takeOver = store.takeOver.bind(store)
  store.takeOver = (taken) => {
    if (taken.run === other) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    return takeOver(taken)
  }
  assert.throws(() => keeper.adopt(), { code: 'EMFILE' })
  assert.equal(keeper.active.length, 2)
  store.takeOver = takeOver
  assert.deepEqual(
    keeper.adopt().map(({ run }) => run),
    [RUN, other],
  )
  keeper.releaseAll()
})

test('a child that ends between the look and the adoption leads to an ended run with its exit status', async () => {
  live(50, shellOfRun())
  const found = adoptionOf(record(), store, processes)
  assert.equal(found.kind, 'follow')
  writeFileSync(join(store.directory(RUN), 'exit'), '1\n')
  utimesSync(join(store.directory(RUN), 'exit'), 50, 50)
  dies(50)
  const events: RunEvent[] = []
  const surroundings = { store, processes, now: () => 99, outputLimit: 1e6, timeout: () => null }
  const run = new Run({ ...record(), child: child() }, surroundings, (event) => events.push(event))
  await run.follow()
  assert.deepEqual(events, [{ kind: 'ended', isNoted: true }])
  assert.deepEqual(
    [run.record.state, run.record.ended_at, run.record.exit],
    ['ended', 50_000, { kind: 'code', code: 1 }],
  )
})

test('a session is empty when the pid is another program’s, of another boot or machine, or a zombie’s', () => {
  live(50, { started: 101, args: ['drush'] })
  assert.equal(sessionState(processes, child(), false).kind, 'empty')
  live(50, { args: ['drush'] })
  assert.equal(sessionState(processes, child(), false).kind, 'main alive')
  assert.equal(sessionState(processes, child({ boot: 'earlier' }), false).kind, 'empty')
  assert.equal(sessionState(processes, child({ machine: 'another' }), false).kind, 'empty')
  live(50, { state: 'Z' })
  assert.equal(sessionState(processes, child(), false).kind, 'empty')
})

test('a session whose leader is gone is orphaned while drush or provision of it live, and only then', () => {
  live(51, { session: 50, started: 120, args: ['php', 'provision.php', 'provision-verify'] })
  live(52, { session: 50, started: 120, args: ['php', 'drush.php', '@hostmaster', 'hosting-task', '7'] })
  live(53, { session: 50, started: 130, args: ['ssh-agent'] })
  live(54, { session: 54, args: ['php', 'drush.php', 'hosting-task', '7'] })
  live(55, { session: 50, started: 140, state: 'Z', args: ['drush'] })
  const state = sessionState(processes, child(), false)
  assert.ok(state.kind === 'orphans')
  assert.deepEqual(state.processes.map(({ pid }) => pid).sort(), [51, 52])
  dies(51)
  dies(52)
  assert.equal(
    sessionState(processes, child(), false).kind,
    'empty',
    'an agent that the task left behind holds nothing',
  )
})
