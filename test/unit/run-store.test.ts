import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { runName, taskOfRunName, type RunRecord } from '../../src/runner/run-record.js'
import { exitOfShellStatus } from '../../src/runner/run-exit.js'
import { OwnershipLost, RunStore, isReadable } from '../../src/runner/run-store.js'

let folder: string
let store: RunStore

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-store-'))
  store = new RunStore(join(folder, 'state'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const OWNER = { machine: 'm', boot: 'b', pid: 10, started: 1 }

function record(nid = 130, change: Partial<RunRecord> = {}): RunRecord {
  return {
    version: 1,
    run: runName({ nid, vid: nid + 5 }, Date.UTC(2026, 10, 20, 22, 46, 8, 123)),
    nid,
    vid: nid + 5,
    type: 'verify',
    rid: 12,
    object: 'a.example.com',
    footprint: null,
    state: 'starting',
    owner: OWNER,
    child: null,
    planned_at: 1,
    started_at: null,
    ended_at: null,
    settled_at: null,
    timed_out: false,
    exit: null,
    outcome: null,
    ...change,
  }
}

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

function reasonOf(run: string): string {
  const read = store.read(run)
  return isReadable(read) ? 'readable' : read.reason
}

describe('a record', () => {
  test('comes back as it was written, in folders and a file for its owner alone', () => {
    const written = record()
    store.create(written)
    assert.deepEqual(store.read(written.run), written)
    assert.deepEqual(store.list(), [written])
    const directory = store.directory(written.run)
    assert.deepEqual([mode(join(folder, 'state')), mode(directory)], ['700', '700'])
    assert.equal(mode(join(directory, 'record.json')), '600')
    assert.deepEqual(readdirSync(directory), ['record.json'], 'nothing half-written is left beside it')
  })

  test('of a run that starts has begun as soon as its shell says so', () => {
    const planned = record()
    store.create(planned)
    const note = join(store.directory(planned.run), 'started')
    writeFileSync(note, '')
    assert.deepEqual(store.read(planned.run), planned, 'a fence is no beginning')
    writeFileSync(note, '12\n')
    utimesSync(note, 1_000, 1_000)
    assert.deepEqual(store.list(), [{ ...planned, state: 'running', started_at: 1_000_000 }])
  })

  test('is written into a folder that was made ready, whatever has become of that', () => {
    const [first, second, third] = [record(), record(8), record(9)]
    store.prepare()
    const ready = () => readdirSync(join(folder, 'state/runs')).filter((name) => name.startsWith('.ready.'))
    assert.equal(ready().length, 1)
    store.create(first)
    assert.deepEqual([store.read(first.run), ready()], [first, []])
    store.prepare()
    rmSync(join(folder, 'state/runs', ready()[0] ?? ''), { recursive: true })
    store.create(second)
    assert.deepEqual(store.read(second.run), second)
    mkdirSync(join(folder, 'state/runs/.ready.1'))
    store.prepare()
    assert.equal(ready().length, 1, 'what another daemon has left is gone')
    store.create(third)
    assert.equal(mode(join(store.directory(third.run), 'record.json')), '600')
  })

  test('is not brought back by a write when its folder has gone, and is settled all the same', () => {
    const written = record()
    store.create(written)
    rmSync(store.directory(written.run), { recursive: true })
    assert.throws(() => store.write({ ...written, state: 'running' }), { code: 'ENOENT' })
    assert.ok(!existsSync(store.directory(written.run)), 'without its fence a shell that still comes would start drush')
    store.settle({ ...written, state: 'settled', outcome: 'success' })
    assert.equal(store.isSettled(written.run), true)
    const settled = store.readHistory(written.run)
    assert.equal(isReadable(settled) && settled.outcome, 'success')
  })

  test('is listed with the others, oldest first, and files beside the runs are none', () => {
    const [old, young] = [record(5), record(6, { run: runName({ nid: 6, vid: 11 }, Date.UTC(2027, 1)) })]
    store.create(young)
    store.create(old)
    writeFileSync(join(folder, 'state/runs/stray'), '')
    mkdirSync(join(folder, 'state/runs/.hidden'))
    symlinkSync('/', join(folder, 'state/runs/link'))
    assert.deepEqual(
      store.list().map(({ run }) => run),
      [old.run, young.run],
    )
  })

  test('that another daemon has adopted is its own: the former owner’s writes are refused', () => {
    const ours = record()
    store.create(ours)
    store.adopt({ ...ours, owner: { ...OWNER, pid: 11 } })
    assert.throws(() => store.write({ ...ours, state: 'running' }), OwnershipLost)
    const kept = store.read(ours.run)
    assert.deepEqual(isReadable(kept) && [kept.owner.pid, kept.state], [11, 'starting'])
  })

  test('that another daemon has settled stays in the history: no late write brings it back', () => {
    const ours = record()
    store.create(ours)
    store.adopt({ ...ours, owner: { ...OWNER, pid: 11 }, state: 'settled' })
    store.moveToHistory(ours.run)
    assert.throws(() => store.write({ ...ours, state: 'ended' }), OwnershipLost)
    assert.deepEqual(store.list(), [])
  })

  test('that another daemon settles while we are about to is its own, and its output stays', () => {
    const ours = record()
    const other = () => {
      writeFileSync(store.outputFile(ours.run), 'what drush said')
      store.adopt({ ...ours, owner: { ...OWNER, pid: 11 }, state: 'settled', outcome: 'error' })
      renameSync(store.directory(ours.run), join(folder, 'state/history', ours.run))
    }
    class FrozenBeforeTheRecord extends RunStore {
      override isTaken(of: RunRecord): boolean {
        const isTaken = super.isTaken(of)
        other()
        return isTaken
      }
    }
    class FrozenBeforeTheMove extends RunStore {
      override moveToHistory(run: string): void {
        other()
        super.moveToHistory(run)
      }
    }
    for (const Frozen of [FrozenBeforeTheRecord, FrozenBeforeTheMove]) {
      store.create(ours)
      const frozen = new Frozen(join(folder, 'state'))
      assert.throws(() => frozen.settle({ ...ours, state: 'settled', outcome: 'success' }), OwnershipLost, Frozen.name)
      const settled = store.readHistory(ours.run)
      assert.equal(isReadable(settled) && settled.outcome, 'error')
      assert.ok(existsSync(store.settledOutputFile(ours.run)))
      assert.deepEqual(store.list(), [])
      store.removeHistory(ours.run)
    }
  })

  test('is taken over where it is, and not made anew where its owner has settled it', () => {
    const ours = record()
    store.create(ours)
    assert.equal(store.takeOver({ ...ours, owner: { ...OWNER, pid: 11 } }), true)
    store.moveToHistory(ours.run)
    assert.equal(store.takeOver(ours), false)
    assert.equal(store.isOpen(ours.run), false)
    store.finishMove(ours.run)
    assert.equal(store.isSettled(ours.run), true)
    assert.throws(() => store.finishMove(record(8).run), { code: 'ENOENT' })
  })

  test('is removed all at once, and what a daemon that died then has left is swept', () => {
    const ours = record()
    store.create(ours)
    store.notes.fence(ours.run)
    store.remove(ours.run)
    store.remove(ours.run)
    mkdirSync(join(folder, 'state/runs/.gone.1/more'), { recursive: true })
    mkdirSync(join(folder, 'state/runs/.ready.1'))
    assert.deepEqual(store.list(), [])
    store.prepare()
    assert.deepEqual(readdirSync(join(folder, 'state/runs')), [`.ready.${process.pid}`])
  })

  test('without a folder that was made ready comes into being with its record in it', () => {
    const ours = record()
    mkdirSync(join(store.directory(ours.run), 'in the way'), { recursive: true })
    assert.throws(() => store.create(ours), { code: 'ENOTEMPTY' })
    assert.deepEqual(readdirSync(join(folder, 'state/runs')), [ours.run])
  })

  const broken: [string, string, RegExp][] = [
    ['cut off', '{"version": 1, "run": "20', /not JSON/],
    ['empty', '', /not JSON/],
    ['garbage', '\u0000\u0001', /not JSON/],
    ['of another form', '{"version": 1}', /not of a form/],
    ['of a newer Skynet', JSON.stringify({ ...record(), version: 2 }), /not of a form/],
    ['of another run', JSON.stringify(record(999)), /names another run/],
    ['of a run that leads elsewhere', JSON.stringify({ ...record(), run: '../../etc' }), /not of a form/],
    ['too long', `${JSON.stringify(record())}${' '.repeat(70_000)}`, /EFBIG/],
  ]
  for (const [what, content, reason] of broken) {
    test(`that is ${what} is shown with its reason, and does not hide the others`, () => {
      const { run } = record()
      store.create(record())
      writeFileSync(join(store.directory(run), 'record.json'), content)
      const other = record(131)
      store.create(other)
      assert.match(reasonOf(run), reason)
      assert.equal(store.list().filter(isReadable).length, 1)
    })
  }

  test('that is missing, a folder or a symbolic link is shown with its reason', () => {
    const { run } = record()
    store.create(record())
    const file = join(store.directory(run), 'record.json')
    renameSync(file, join(folder, 'moved'))
    assert.match(reasonOf(run), /is missing/)
    symlinkSync(join(folder, 'moved'), file)
    assert.match(reasonOf(run), /ELOOP/)
    rmSync(file)
    mkdirSync(file)
    assert.match(reasonOf(run), /cannot be read/)
  })

  test('moves to history when it is settled, and is gone when it is removed', () => {
    const settled = record()
    store.create(settled)
    store.moveToHistory(settled.run)
    assert.deepEqual([store.list(), store.historyNames()], [[], [settled.run]])
    assert.deepEqual(store.readHistory(settled.run), settled)
    store.removeHistory(settled.run)
    assert.deepEqual(store.historyNames(), [])
  })
})

describe('the fence', () => {
  test('is made once: by the shell, which then starts drush, or by a daemon, after which no shell does', () => {
    const { run } = record()
    store.create(record())
    assert.equal(store.notes.readStarted(run), undefined)
    assert.equal(store.notes.fence(run), true)
    assert.equal(store.notes.fence(run), false)
    assert.equal(store.notes.readStarted(run)?.pid, 0)
  })

  test('made by the shell names the shell', () => {
    const { run } = record()
    store.create(record())
    writeFileSync(join(store.directory(run), 'started'), '4711\n')
    assert.equal(store.notes.fence(run), false)
    const started = store.notes.readStarted(run)
    assert.ok(started)
    assert.equal(started.pid, 4711)
    assert.ok(Math.abs(started.at - Date.now()) < 60_000)
  })

  test('cannot be made in the folder of a run that is gone', () => {
    assert.throws(() => store.notes.fence(record().run), { code: 'ENOENT' })
    assert.equal(existsSync(store.directory(record().run)), false)
  })
})

describe('the exit status', () => {
  const cases: [string, unknown][] = [
    ['0\n', { kind: 'code', code: 0 }],
    ['1\n', { kind: 'code', code: 1 }],
    ['127\n', { kind: 'code', code: 127 }],
    ['137\n', { kind: 'signal', signal: 'KILL' }],
    ['143\n', { kind: 'signal', signal: 'TERM' }],
    ['255\n', { kind: 'code', code: 255 }],
    ['', undefined],
    ['13', undefined],
    ['x\n', undefined],
  ]
  for (const [text, expected] of cases) {
    test(`noted as ${JSON.stringify(text)} is ${expected === undefined ? 'not there (yet)' : JSON.stringify(expected)}`, () => {
      const { run } = record()
      store.create(record())
      writeFileSync(join(store.directory(run), 'exit'), text)
      assert.deepEqual(store.notes.readExit(run), expected)
    })
  }

  test('of a shell above 128 is a signal where there is one of that number', () => {
    assert.deepEqual(exitOfShellStatus(139), { kind: 'signal', signal: 'SEGV' })
    assert.deepEqual(exitOfShellStatus(128), { kind: 'code', code: 128 })
    assert.deepEqual(exitOfShellStatus(200), { kind: 'code', code: 200 })
  })
})

describe('the name of a run', () => {
  test('names its task, its queueing and its moment, and sorts by time', () => {
    const at = Date.UTC(2026, 10, 20, 22, 46, 8, 123)
    const name = runName({ nid: 130, vid: 135 }, at)
    assert.equal(name, '20261120T224608123Z-130-135')
    assert.deepEqual(taskOfRunName(name), { nid: 130, vid: 135, plannedAt: at })
    assert.ok(runName({ nid: 1, vid: 1 }, at + 1) > name)
  })

  for (const name of [
    '',
    'x',
    '20261120T224608123Z-130',
    '../20261120T224608123Z-130-135',
    '99999999T999999999Z-1-1',
  ]) {
    test(`“${name}” is none`, () => assert.equal(taskOfRunName(name), undefined))
  }
})
