import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { systemClock } from '../../src/daemon/clock.js'
import { ScheduleBook } from '../../src/daemon/schedule/schedule-book.js'
import { ScheduledRunStore, scheduledRunName, type ScheduledRun } from '../../src/daemon/schedule/scheduled-run.js'
import { KEPT_RUNS, ScheduledRuns } from '../../src/daemon/schedule/scheduled-runs.js'
import { Conditions } from '../../src/observe/conditions.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import { isReadable } from '../../src/runner/run-store.js'
import { waitFor } from '../sandbox/wait-for.js'

const DUE = Date.UTC(2026, 10, 20, 3, 0)
const RUN = scheduledRunName('nightly', DUE)
const processes = new ProcessTable()
const self = processes.identify(process.pid)
assert.ok(self)

let folder: string
let store: ScheduledRunStore
let faults: string[]
let warnings: string[]
let daemons: ScheduledRuns[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-schedule-'))
  store = new ScheduledRunStore(folder)
  faults = []
  warnings = []
  daemons = []
})
afterEach(() => {
  for (const daemon of daemons) daemon.releaseAll()
  rmSync(folder, { recursive: true, force: true })
})

/** A daemon's scheduled runs; its drush is a script with this text, or any other program. */
function daemon({
  script = 'exit 0',
  command = '',
  keepBytes = 1_000_000,
  pid = process.pid,
  table = processes,
} = {}): ScheduledRuns {
  const program = command === '' ? join(folder, 'drush') : command
  if (command === '') {
    writeFileSync(program, `#!/bin/bash\n${script}\n`)
    chmodSync(program, 0o755)
  }
  const nothing = () => undefined
  const warn = (_fields: unknown, message: string) => warnings.push(message)
  const logger = { info: nothing, warn, error: nothing } as never
  const runs = new ScheduledRuns({
    store,
    processes: table,
    clock: systemClock,
    logger,
    conditions: new Conditions(logger, () => 0),
    surroundings: { home: folder, environment: { PATH: process.env['PATH'] ?? '' }, umask: 0o022 },
    self: { ...self, pid } as typeof self & object,
    settings: () => ({ drush: { command: program, alias: '@hostmaster', nice: 0 }, outputLimit: 65_536, keepBytes }),
    settled: nothing,
    drushFails: (reason) => faults.push(reason),
  })
  daemons.push(runs)
  return runs
}

function settled(run = RUN): Promise<ScheduledRun> {
  const look = () => {
    const record = store.isSettled(run) && store.readHistory(run)
    return record && isReadable(record) && record
  }
  return waitFor(look, { what: 'the settled run', timeoutMs: 20_000 })
}

function history(command: string, dueAt: number, change: Partial<ScheduledRun> = {}, output = ''): void {
  const run = scheduledRunName(command, dueAt)
  store.adopt({
    version: 1,
    run,
    command,
    due_at: dueAt,
    answered_until: dueAt,
    state: 'settled',
    owner: { machine: 'm', boot: 'b', pid: 1, started: 1 },
    child: null,
    planned_at: dueAt,
    started_at: dueAt,
    ended_at: dueAt,
    settled_at: dueAt,
    timed_out: false,
    exit: { kind: 'code', code: 0 },
    outcome: 'success',
    ...change,
  })
  writeFileSync(store.outputFile(run), output)
  store.moveToHistory(run)
}

describe('a scheduled run', () => {
  test('gives drush the alias and the command; exit status and output are on disk', async () => {
    const runs = daemon({ script: 'echo "$# $*"; exit 4' })
    assert.equal(runs.start('nightly', DUE), 'started')
    assert.equal(runs.isBusy('nightly'), true)
    const record = await settled()
    assert.deepEqual([record.outcome, record.exit], ['error', { kind: 'code', code: 4 }])
    assert.equal(readFileSync(store.settledOutputFile(record.run), 'utf8'), '2 @hostmaster nightly\n')
    assert.equal(runs.isBusy('nightly'), false)
  })

  test('whose shell cannot write its files is due still', async () => {
    const runs = daemon({ script: 'exit 0' })
    const elsewhere = join(folder, 'elsewhere')
    writeFileSync(elsewhere, '')
    const create = store.createIfFirst.bind(store)
    store.createIfFirst = (record) => {
      const isFirst = create(record)
      symlinkSync(elsewhere, store.outputFile(record.run))
      return isFirst
    }
    assert.equal(runs.start('nightly', DUE), 'started')
    const record = await settled()
    assert.deepEqual([record.outcome, record.exit], ['outage', { kind: 'code', code: 125 }])
    assert.equal(record.answered_until, DUE - 1)
  })

  test('is had by one of two daemons that both take themselves for the leader', async () => {
    const [one, two] = [daemon({ script: 'sleep 0.2' }), daemon({ script: 'sleep 0.2', pid: 1 })]
    assert.equal(one.start('nightly', DUE), 'started')
    assert.equal(two.start('nightly', DUE), 'taken')
    assert.equal(two.isBusy('nightly'), true)
    await settled()
    assert.equal(two.start('nightly', DUE), 'taken', 'also when it is over')
    assert.deepEqual(store.list(), [])
  })

  test('is over when drush exits, whatever it leaves in the background', async () => {
    const left = "bash -c 'exec -a provision-left sleep 5' >/dev/null 2>&1 &"
    daemon({ script: `${left}\nsleep 0.3\nexit 0` }).start('nightly', DUE)
    const { outcome, child } = await settled()
    assert.equal(outcome, 'success')
    const others = processes.list().filter(({ session }) => session === child?.pid)
    assert.ok(others.length > 0, 'the background goes on')
    for (const { pid } of others) process.kill(pid)
  })

  test('that cannot be looked at is taken to go on, and says so once', async () => {
    class WithoutDescriptors extends ProcessTable {
      looks = 0
      override read(pid: number) {
        if (store.isOpen(RUN) && store.notes.readExit(RUN) && ++this.looks <= 3)
          throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
        return super.read(pid)
      }
    }
    const table = new WithoutDescriptors()
    daemon({ table }).start('nightly', DUE)
    assert.equal((await settled()).outcome, 'success')
    assert.ok(table.looks > 3, `${table.looks} looks`)
    assert.deepEqual(warnings, ['run cannot be looked at; it is taken to go on'])
  })

  test('of a drush that was killed is over when its backend is', async () => {
    const runs = daemon({ script: "bash -c 'exec -a provision-left sleep 2' &\nsleep 0.3\nkill -KILL $$" })
    runs.start('nightly', DUE)
    await waitFor(() => runs.find('nightly')?.state === 'orphaned', { what: 'the orphans', timeoutMs: 20_000 })
    const { outcome, exit, child } = await settled()
    assert.deepEqual([outcome, exit], ['error', { kind: 'signal', signal: 'KILL' }])
    assert.deepEqual(
      processes.list().filter(({ session }) => session === child?.pid),
      [],
    )
  })

  test('without a drush leaves its time open, once', async () => {
    const runs = daemon({ command: '/nonexistent/drush' })
    runs.start('nightly', DUE)
    const first = await settled()
    assert.equal(first.outcome, 'outage')
    assert.match(faults.join(), /could not be executed \(exit status 127\)/)
    assert.ok((store.answeredUntil('nightly', DUE + 1) ?? 0) < DUE)
    assert.equal(runs.start('nightly', DUE), 'started')
    await waitFor(async () => (await settled()).outcome === 'error', { what: 'the second result', timeoutMs: 20_000 })
    assert.equal(faults.length, 1)
  })

  test('is kept with the last twenty of its command, and within the room that all may take', async () => {
    for (let day = 25; day >= 1; day -= 1) history('nightly', DUE - day * 86_400_000)
    daemon().start('nightly', DUE)
    await settled()
    await waitFor(() => store.historyOf('nightly').length === KEPT_RUNS, { what: 'twenty runs', timeoutMs: 20_000 })
    history('rare', DUE - 10 * 86_400_000, {}, 'x'.repeat(5_000))
    const old = scheduledRunName('nightly', DUE - 5 * 86_400_000)
    writeFileSync(store.settledOutputFile(old), 'x'.repeat(5_000))
    daemon({ keepBytes: 6_000 }).start('nightly', DUE + 1_000)
    await settled(scheduledRunName('nightly', DUE + 1_000))
    await waitFor(() => !store.isSettled(old), { what: 'the end of what is too much', timeoutMs: 20_000 })
    assert.equal(store.historyOf('rare').length, 1, 'the last run of a command stays, however large')
  })
})

describe('what has been answered', () => {
  test('is told by the last run, also by one that cannot be read, and not by a clock that was wrong', () => {
    assert.equal(store.answeredUntil('nightly', DUE), undefined)
    history('nightly', DUE, { answered_until: DUE + 5_000 })
    history('nightly', DUE + 86_400_000)
    assert.equal(store.answeredUntil('nightly', DUE + 60_000), DUE + 5_000)
    assert.equal(store.answeredUntil('nightly', DUE + 1_000), DUE)
    const run = scheduledRunName('nightly', DUE + 60_000)
    mkdirSync(store.directory(run))
    writeFileSync(join(store.directory(run), 'record.json'), '{"version": 2}')
    assert.equal(store.answeredUntil('nightly', DUE + 120_000), DUE + 60_000)
    assert.equal(store.answeredUntil('other', DUE + 120_000), undefined)
  })

  test('counts from when a command was scheduled, as it is scheduled now', () => {
    const book = new ScheduleBook(folder)
    book.note({ nightly: '0 3 * * *', weekly: '0 3 * * 0' }, () => 'UTC', 100, 200)
    book.write()
    const next = new ScheduleBook(folder)
    assert.equal(next.since('nightly', '0 3 * * *', 'UTC'), 100)
    assert.equal(next.since('nightly', '0 4 * * *', 'UTC'), undefined)
    assert.equal(next.since('nightly', '0 3 * * *', 'Europe/Berlin'), undefined)
    next.note({ nightly: '0 3 * * *' }, () => 'UTC', 300, 400)
    assert.equal(next.since('nightly', '0 3 * * *', 'UTC'), 100)
    assert.equal(next.since('weekly', '0 3 * * 0', 'UTC'), undefined)
    next.note({ nightly: '0 3 * * *' }, () => 'UTC', 10, 20)
    assert.equal(next.since('nightly', '0 3 * * *', 'UTC'), 10, 'a clock that was wrong counts no longer')
    writeFileSync(join(folder, 'schedule/schedule.json'), '{"version": 1, "commands": {"nightly"')
    assert.equal(new ScheduleBook(folder).since('nightly', '0 3 * * *', 'UTC'), undefined)
  })
})
