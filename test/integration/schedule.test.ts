import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import { scheduledRunName, type ScheduledRun } from '../../src/daemon/schedule/scheduled-run.js'
import type { ScheduledCommand, ScheduleView } from '../../src/daemon/schedule/schedule-view.js'
import type { DaemonProcess, LogEntry } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import type { JournalEntry } from '../sandbox/journal.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, linesOf, readStatus } from '../sandbox/leader.js'
import { Sandbox, type ConfigSections } from '../sandbox/sandbox.js'
import { SetClock } from '../sandbox/set-clock.js'
import { waitFor } from '../sandbox/wait-for.js'

const MINUTE = 60_000

let sandbox: Sandbox
let clock: SetClock
let tests = 0
let journaled = 0

before(async () => {
  sandbox = await Sandbox.create()
})
beforeEach(() => {
  tests += 1
  journaled = sandbox.journal().length
  clock = new SetClock(sandbox)
  sandbox.configureDrush({ commands: { nightly: {}, rhythm: {}, slow: {} }, load: undefined })
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

/** Each test has a state directory of its own: what one has run at its times is no business of the next. */
function schedule(commands: Record<string, string>, others: ConfigSections = {}): void {
  configure(sandbox, {
    schedule: commands,
    cron: { time_zone: 'Europe/Berlin' },
    state: { dir: stateDirectory() },
    ...others,
  })
}

function stateDirectory(): string {
  return join(sandbox.home, `state-${tests}`)
}

/** A daemon may be removing or moving one just now: such a one is left out. */
function records(command: string, folder: 'runs' | 'history' = 'history'): ScheduledRun[] {
  const path = join(stateDirectory(), 'schedule', folder)
  const names = existsSync(path) ? readdirSync(path).filter((run) => run.endsWith(`Z-${command}`)) : []
  return names.sort().flatMap((run) => {
    try {
      return [JSON.parse(readFileSync(join(path, run, 'record.json'), 'utf8')) as ScheduledRun]
    } catch {
      return []
    }
  })
}

function journalOf(command: string, event: JournalEntry['event'] = 'command-start'): JournalEntry[] {
  return sandbox
    .journal()
    .slice(journaled)
    .filter((entry) => entry.event === event && entry.command === command)
}

function ended(daemon: DaemonProcess, command: string, count = 1): Promise<LogEntry[]> {
  const look = () => {
    const lines = linesOf(daemon, 'scheduled command ended').filter((entry) => entry['command'] === command)
    return lines.length >= count && lines
  }
  const what = `${count} ended runs of ${command}`
  return waitFor(look, { what, timeoutMs: PATIENCE_MS, lastSeen: () => daemon.lastWords() })
}

const dueTimes = (command: string): string[] =>
  records(command).map(({ due_at }) => new Date(due_at).toISOString().slice(5, 16))

/** A leader that knows its schedule. A time that comes before it does is none that could be missed. */
async function startLeader(): Promise<DaemonProcess> {
  const daemon = await clock.startLeader()
  const file = join(stateDirectory(), 'schedule/schedule.json')
  await waitFor(() => existsSync(file), { what: 'the schedule on disk', timeoutMs: PATIENCE_MS })
  return daemon
}

async function killed(daemon: DaemonProcess): Promise<void> {
  daemon.kill('SIGKILL')
  await daemon.waitForExit()
}

async function view(): Promise<ScheduleView & { daemon: string; now: number }> {
  const { stdout, stderr, code } = await sandbox.skynet(['schedule', '--json'])
  assert.equal(code, 0, stderr)
  const shown = JSON.parse(stdout) as ScheduleView & { daemon: string; now: number }
  assertFitsSchema('schedule', shown)
  return shown
}

async function viewOf(
  name: string,
  fits: (command: ScheduledCommand) => boolean,
  what: string,
): Promise<ScheduledCommand> {
  const look = async () => {
    const command = (await view()).commands.find((each) => each.name === name)
    return command && fits(command) && command
  }
  return sandbox.waitFor(look, { what, timeoutMs: PATIENCE_MS })
}

describe('changes of the clocks', () => {
  // In Berlin at 01:00 UTC on 28 March 2027, forward, and on 31 October 2027, back.
  for (const [direction, day, first, then] of [
    ['forward', '2027-03-28', '03-28T01:00', '03-29T00:30'],
    ['back', '2027-10-31', '10-31T00:30', '11-01T01:30'],
  ] as const) {
    test(`${direction}: what is meant for 02:30 is run once on that day, and what is meant for every half hour goes on`, async () => {
      clock.set(`${day}T00:15:00Z`)
      schedule({ nightly: '30 2 * * *', rhythm: '*/30 * * * *' })
      const daemon = await startLeader()
      const times = [`${day}T00:29:59.8Z`, `${day}T00:59:59.8Z`, `${day}T01:29:59.8Z`, `${day}T01:59:59.8Z`]
      for (const [index, time] of times.entries()) {
        clock.set(time)
        await ended(daemon, 'rhythm', index + 1)
      }
      const rhythm = times.map((time) => new Date(Date.parse(time) + 200).toISOString().slice(5, 16))
      assert.deepEqual(dueTimes('rhythm'), rhythm)
      assert.deepEqual(dueTimes('nightly'), [first])
      clock.set(Date.parse(`2027-${then}:00Z`) - 200)
      await ended(daemon, 'nightly', 2)
      assert.deepEqual(dueTimes('nightly'), [first, then])
      assert.equal(journalOf('nightly').length, 2)
    })
  }
})

describe('a restart', () => {
  test('in the midst of the second, again and again, runs a due time once', async () => {
    clock.set('2026-12-01T11:59:00Z')
    schedule({ nightly: '0 13 * * *' })
    await killed(await startLeader())
    clock.set('2026-12-01T11:59:58.5Z')
    // Each dies as soon as it can have done anything, or some moments later, until the time is well over.
    for (let round = 0; clock.now() < Date.parse('2026-12-01T12:00:02Z'); round += 1) {
      const daemon = await startLeader()
      await new Promise((resolve) => setTimeout(resolve, round * 7))
      await killed(daemon)
    }
    const daemon = await startLeader()
    await waitFor(() => records('nightly').length > 0, { what: 'the settled run', timeoutMs: PATIENCE_MS })
    assert.deepEqual(dueTimes('nightly'), ['12-01T12:00'])
    assert.equal(journalOf('nightly').length, 1)
    await killed(daemon)
  })

  test('between the record and the child runs the command once, by whoever comes next', async () => {
    clock.set('2026-12-02T11:50:00Z')
    schedule({ nightly: '0 13 * * *' })
    await killed(await startLeader())
    const dueAt = Date.parse('2026-12-02T12:00:00Z')
    const { machine, boot } = new ProcessTable()
    const record: ScheduledRun = {
      version: 1,
      run: scheduledRunName('nightly', dueAt),
      command: 'nightly',
      due_at: dueAt,
      answered_until: dueAt,
      state: 'starting',
      owner: { machine, boot, pid: 1, started: 1 },
      child: null,
      planned_at: dueAt,
      started_at: null,
      ended_at: null,
      settled_at: null,
      timed_out: false,
      exit: null,
      outcome: null,
    }
    plant(record, 'runs')
    clock.set('2026-12-02T12:00:20Z')
    const daemon = await startLeader()
    await ended(daemon, 'nightly')
    assert.equal(journalOf('nightly').length, 1)
    assert.equal(records('nightly')[0]?.outcome, 'success')
  })

  test('while the command runs adopts it; its end is noted, and its time is not run again', async () => {
    sandbox.configureDrush({ commands: { slow: { until: 'adopted', print: 'half of it\n' } } })
    clock.set('2026-12-03T11:50:00Z')
    schedule({ slow: '0 13 * * *' })
    const first = await startLeader()
    clock.set('2026-12-03T11:59:59.8Z')
    await first.waitForLog('scheduled command started', { timeoutMs: PATIENCE_MS })
    await killed(first)
    const second = await startLeader()
    await second.waitForLog('scheduled run adopted')
    const { running } = await viewOf('slow', (command) => command.running !== null, 'the run in skynet schedule')
    assert.equal(running?.pid, journalOf('slow')[0]?.pid)
    sandbox.release('adopted')
    await ended(second, 'slow')
    const last = (await readStatus(sandbox)).schedule.commands[0]?.last
    assert.equal(last?.outcome, 'success')
    assert.equal(readFileSync(last.output, 'utf8'), 'half of it\n')
    assert.equal(journalOf('slow').length, 1)
  })
})

test('a daemon that is to finish starts nothing more, and waits for what runs', async () => {
  sandbox.configureDrush({ commands: { slow: { until: 'finished' }, rhythm: {} } })
  clock.set('2026-12-04T11:50:00Z')
  schedule({ slow: '0 13 * * *', rhythm: '1 13 * * *' })
  const daemon = await startLeader()
  clock.set('2026-12-04T11:59:59.8Z')
  await daemon.waitForLog('scheduled command started', { timeoutMs: PATIENCE_MS })
  daemon.kill('SIGINT')
  const leaving = await daemon.waitForLog('leaving when the running tasks have ended')
  assert.equal(leaving['running'], 1)
  clock.set('2026-12-04T12:01:01Z')
  assert.match((await view()).held ?? '', /stopping/)
  sandbox.release('finished')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  assert.equal(records('slow')[0]?.outcome, 'success')
  assert.deepEqual(journalOf('rhythm'), [])
  await ended(await startLeader(), 'rhythm')
})

test('a command that takes longer than its interval is never started beside itself', async () => {
  sandbox.configureDrush({ commands: { slow: { ms: 1_200 } } })
  schedule({ slow: '* * * * * *' })
  const daemon = await startLeader()
  await ended(daemon, 'slow', 2)
  assert.ok(linesOf(daemon, 'scheduled command still runs at its next time; that time is left out').length <= 3)
  const order = sandbox
    .journal()
    .slice(journaled)
    .map(({ event }) => event)
  for (const [index, event] of order.entries()) assert.equal(event, index % 2 === 0 ? 'command-start' : 'command-end')
  const [one, two] = records('slow')
  assert.ok(one && two && two.due_at >= one.due_at + 2_000, 'what came meanwhile was left out, not made up for')
})

test('times that passed while no daemon ran are made up for by one run', async () => {
  clock.set('2026-12-05T12:05:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  await killed(await startLeader())
  clock.set('2026-12-05T12:36:00Z')
  const down = await sandbox.skynet(['schedule', '--json'])
  assert.equal((JSON.parse(down.stdout) as { daemon: string }).daemon, 'not running')
  const daemon = await startLeader()
  await ended(daemon, 'rhythm')
  assert.deepEqual(dueTimes('rhythm'), ['12-05T12:10'])
  clock.set('2026-12-05T12:39:59.8Z')
  await ended(daemon, 'rhythm', 2)
  assert.deepEqual(dueTimes('rhythm'), ['12-05T12:10', '12-05T12:40'])
})

test('a pause holds what is due; it is run once afterwards', async () => {
  clock.set('2026-12-06T12:05:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  const daemon = await startLeader()
  assert.equal((await sandbox.skynet(['pause', '--reason', 'look'])).code, 0)
  clock.set('2026-12-06T12:31:00Z')
  const { due_since } = await viewOf('rhythm', (command) => command.due_since !== null, 'the open time')
  assert.equal(due_since, Date.parse('2026-12-06T12:10:00Z'))
  assert.match((await view()).held ?? '', /paused by .*look/)
  // Aegir's own pause is enough as well.
  await sandbox.hostmaster.setVariable('hosting_queued_paused', 'i:1;')
  assert.equal((await sandbox.skynet(['resume'])).code, 1)
  await sandbox.waitFor(async () => /paused by Aegir/.test((await view()).held ?? ''), { what: 'the pause of Aegir' })
  assert.deepEqual(journalOf('rhythm'), [])
  await sandbox.hostmaster.setVariable('hosting_queued_paused', 'i:0;')
  await ended(daemon, 'rhythm')
  assert.deepEqual(dueTimes('rhythm'), ['12-06T12:10'])
})

test('only the leader runs the schedule, and the standby when it has taken over', async () => {
  clock.set('2026-12-07T12:05:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  const leader = await startLeader()
  const standby = clock.startDaemon()
  await standby.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  clock.set('2026-12-07T12:09:59.8Z')
  await ended(leader, 'rhythm')
  await killed(leader)
  await standby.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  clock.set('2026-12-07T12:19:59.8Z')
  await ended(standby, 'rhythm')
  assert.deepEqual(dueTimes('rhythm'), ['12-07T12:10', '12-07T12:20'])
  assert.equal(journalOf('rhythm').length, 2)
})

test('a drush that does not work is waited for, and the command is run then', async () => {
  sandbox.configureDrush({ load: 40 })
  clock.set('2026-12-08T11:50:00Z')
  schedule({ nightly: '0 13 * * *' })
  const daemon = await startLeader()
  clock.set('2026-12-08T11:59:59.8Z')
  const [first] = await ended(daemon, 'nightly')
  assert.equal(first?.['outcome'], 'outage')
  await daemon.waitForLog('drush does not work; nothing is started until it does, and no task is blamed')
  assert.match((await view()).held ?? '', /load on system too heavy/)
  sandbox.configureDrush({ load: undefined })
  await ended(daemon, 'nightly', 2)
  assert.deepEqual(
    records('nightly').map(({ due_at, outcome }) => [due_at, outcome]),
    [[Date.parse('2026-12-08T12:00:00Z'), 'success']],
  )
  assert.equal(journalOf('nightly').length, 1)
})

test('a failure is the last result, with its exit status and what drush printed; the next time comes all the same', async () => {
  sandbox.configureDrush({ commands: { nightly: { exit: 3, print: 'it went wrong\n' } } })
  clock.set('2026-12-09T11:50:00Z')
  schedule({ nightly: '0 13 * * *' })
  const daemon = await startLeader()
  clock.set('2026-12-09T11:59:59.8Z')
  await ended(daemon, 'nightly')
  const { commands } = await view()
  assert.deepEqual(
    commands[0]?.next.map((at) => new Date(at).toISOString()),
    [10, 11, 12, 13, 14].map((day) => `2026-12-${day}T12:00:00.000Z`),
  )
  assert.equal(commands[0].last?.outcome, 'error')
  assert.equal(commands[0].last.exit_code, 3)
  const { stdout } = await sandbox.skynet(['schedule'])
  assert.match(stdout, /^Time zone Europe\/Berlin, now Wed 2026-12-09 13:00/)
  const status = await sandbox.skynet(['status'])
  assert.match(status.stdout, /^ {2}nightly {2}0 13 \* \* \* {2}error \d+ s ago {2}next in 24 h$/m)
  assert.match(stdout, /^nightly {2}0 13 \* \* \*$/m)
  assert.match(
    stdout,
    /last {5}error in \d s, exit status 3, due Wed 2026-12-09 13:00 CET; what drush printed: \/.*\/output$/m,
  )
  assert.match(stdout, /next {5}Thu 2026-12-10 13:00 CET\n {11}Fri 2026-12-11 13:00 CET\n/)
})

test('the arguments of drush are the command alone, and what it leaves in the background is not waited for', async () => {
  sandbox.configureDrush({ commands: { rhythm: { leave_ms: 4_000 } } })
  clock.set('2026-12-10T11:50:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  const daemon = await startLeader()
  clock.set('2026-12-10T12:09:59.8Z')
  await ended(daemon, 'rhythm')
  const [start] = journalOf('rhythm')
  assert.ok(start)
  assert.deepEqual(start.arguments, [])
  await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.sid === start.sid)
  clock.set('2026-12-10T12:19:59.8Z')
  await ended(daemon, 'rhythm', 2)
  const left = sandbox.journal().filter(({ event, sid }) => event === 'backend-end' && sid === start.sid)
  assert.deepEqual(left, [], 'the second run began while the first one’s background went on')
})

test('a changed expression counts from now on; a command that is gone is not run any more', async () => {
  clock.set('2026-12-11T11:30:00Z')
  schedule({ nightly: '0 13 * * *', rhythm: '*/10 * * * *' })
  const daemon = await startLeader()
  schedule({ nightly: '30 9-13 * * *' })
  await daemon.waitForLog('configuration changed')
  assert.deepEqual(
    (await view()).commands.map(({ name, due_since }) => [name, due_since]),
    [['nightly', null]],
  )
  clock.set('2026-12-11T12:29:59.8Z')
  await ended(daemon, 'nightly')
  assert.deepEqual(dueTimes('nightly'), ['12-11T12:30'])
  assert.deepEqual(journalOf('rhythm'), [])
})

test('a clock that was days ahead does not silence the schedule when it is set right', async () => {
  clock.set('2026-12-20T12:05:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  const daemon = await startLeader()
  clock.set('2026-12-20T12:09:59.8Z')
  await ended(daemon, 'rhythm')
  clock.set('2026-12-12T12:05:00Z')
  await viewOf('rhythm', ({ next }) => next[0] === Date.parse('2026-12-12T12:10:00Z'), 'the time that comes next')
  clock.set('2026-12-12T12:09:59.8Z')
  await ended(daemon, 'rhythm', 2)
  // A small step back runs nothing twice.
  clock.set('2026-12-12T12:09:50Z')
  const back = await viewOf('rhythm', ({ next }) => next[0] === Date.parse('2026-12-12T12:10:00Z'), 'the step back')
  assert.equal(back.due_since, null)
  clock.set('2026-12-12T12:19:59.8Z')
  await ended(daemon, 'rhythm', 3)
  assert.deepEqual(dueTimes('rhythm'), ['12-12T12:10', '12-12T12:20', '12-20T12:10'])
})

test('the last twenty runs of each command are kept; what an older daemon cannot read is shown and left alone', async () => {
  clock.set('2026-12-13T12:05:00Z')
  schedule({ rhythm: '*/10 * * * *' })
  await killed(await startLeader())
  const owner = { machine: 'm', boot: 'b', pid: 1, started: 1 }
  for (let number = 1; number <= 25; number += 1) {
    const dueAt = Date.parse('2026-12-12T00:00:00Z') + number * 10 * MINUTE
    const common = {
      planned_at: dueAt,
      started_at: dueAt,
      ended_at: dueAt,
      settled_at: dueAt,
      timed_out: false,
      child: null,
    }
    const exit = { kind: 'code' as const, code: 0 }
    const state = { state: 'settled' as const, owner, exit, outcome: 'success' as const }
    const run = scheduledRunName('rhythm', dueAt)
    plant({ version: 1, run, command: 'rhythm', due_at: dueAt, answered_until: dueAt, ...common, ...state }, 'history')
  }
  const newer = scheduledRunName('other', Date.parse('2026-12-12T00:00:00Z'))
  plant({ version: 2, run: newer }, 'runs')
  clock.set('2026-12-13T12:09:59.8Z')
  const daemon = await startLeader()
  await ended(daemon, 'rhythm')
  await waitFor(() => records('rhythm').length === 20, { what: 'twenty runs' })
  assert.equal(records('rhythm').at(-1)?.due_at, Date.parse('2026-12-13T12:10:00Z'))
  const { untouchable_records } = await readStatus(sandbox)
  assert.deepEqual(
    untouchable_records.map(({ run }) => run),
    [`schedule/${newer}`],
  )
})

test('without a schedule, and before any daemon, the verb says so and makes nothing', async () => {
  schedule({})
  const { stdout, stderr, code } = await sandbox.skynet(['schedule'])
  assert.equal(code, 0)
  assert.match(stdout, /^Nothing is scheduled\. .*\[schedule\]/)
  assert.match(stderr, /daemon is not running/)
  assert.equal(existsSync(stateDirectory()), false)
  assert.deepEqual((await view()).commands, [])
})

/** Writes a record as another daemon has left it. */
function plant(record: ScheduledRun | { version: 2; run: string }, folder: 'runs' | 'history'): void {
  const path = join(stateDirectory(), 'schedule', folder, record.run)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  writeFileSync(join(path, 'record.json'), JSON.stringify(record), { mode: 0o600 })
  sandbox.folder.own(path)
  sandbox.folder.own(join(path, 'record.json'))
}
