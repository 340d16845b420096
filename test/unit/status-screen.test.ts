import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { newScreen, widthOf } from '../../src/cli/screen.js'
import { statusLines } from '../../src/cli/status-screen.js'
import { REASONS } from '../../src/cli/status-waiting.js'
import type { ScheduledCommand } from '../../src/daemon/schedule/schedule-view.js'
import { healthOf } from '../../src/daemon/status-health.js'
import type { RunningStatus, Status, WaitingGroup } from '../../src/daemon/status.js'
import { assertGolden } from '../sandbox/golden.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const NOW = Date.UTC(2026, 10, 21, 3, 0, 0)

function statusWith(changes: Partial<Status> = {}): Status {
  const quiet: Omit<Status, 'health'> = {
    version: '0.1.0',
    pid: 4711,
    host: 'aegir1',
    started_at: NOW - 72 * HOUR,
    uptime_ms: 72 * HOUR,
    role: 'leader',
    standbys: [],
    database: { name: 'hostmaster', state: 'connected', since: NOW - 72 * HOUR, error: null },
    paused: [],
    paused_tasks: [],
    hindrances: [],
    slots: 3,
    running: [],
    foreign: [],
    stuck: [],
    parked: [],
    waiting: { count: 0, oldest_since: null, by_reason: [], next: [] },
    schedule: { time_zone: 'UTC', held: null, commands: [] },
    failures: [],
    untouchable_records: [],
    last_error: null,
    ...changes,
  }
  return { ...quiet, health: healthOf(quiet) }
}

function run(nid: number, type: string, object: string, age: number, more: Partial<RunningStatus> = {}): RunningStatus {
  const since = NOW - age
  return {
    nid,
    vid: nid + 5,
    type,
    object,
    run: `20261121T025000000Z-${nid}-${nid + 5}`,
    state: 'running',
    pid: nid * 10,
    since,
    age_ms: age,
    usual: null,
    cancelled_by: null,
    ...more,
  }
}

function group(reason: WaitingGroup['reason'], count: number, sentence: string, first: number): WaitingGroup {
  const tasks = Array.from({ length: Math.min(3, count) }, (_none, index) => ({
    nid: first + index,
    type: 'verify',
    object: `site${first + index}.example.com`,
    since: NOW - 5 * MINUTE,
    reason: sentence,
  }))
  return { reason, count, oldest_since: NOW - 5 * MINUTE, tasks }
}

function scheduled(name: string, expression: string, more: Partial<ScheduledCommand>): ScheduledCommand {
  return { name, expression, next: [], due_since: null, running: null, last: null, ...more }
}

function ended(outcome: 'success' | 'error', secondsAgo: number): NonNullable<ScheduledCommand['last']> {
  const at = NOW - secondsAgo * SECOND
  const exit = { exit_code: outcome === 'success' ? 0 : 1, signal: null }
  return { run: 's', due_at: at - SECOND, started_at: at - SECOND, ended_at: at, outcome, ...exit, output: '/x' }
}

const usual = { count: 240, median_ms: 9 * MINUTE, p95_ms: 21 * MINUTE }

/** Everything that can be said at once, as it may look on a bad night. */
const BAD_NIGHT = statusWith({
  slots: 5,
  standbys: [{ pid: 4800, since: NOW - 3 * HOUR }],
  database: { name: 'hostmaster', state: 'lost', since: NOW - 40 * SECOND, error: 'the server closed the connection' },
  paused: [
    {
      by: 'aegir',
      since: NOW - 2 * MINUTE,
      until: null,
      reason: 'database maintenance, ask Anna before you go on with anything',
    },
  ],
  paused_tasks: [
    { type: 'migrate', object: null, by: 'anna', since: NOW - HOUR, until: NOW + 2 * HOUR, reason: 'office hours' },
  ],
  hindrances: [
    {
      name: 'lock row',
      message: "another runner holds Aegir's queue lock; waiting for it: php123",
      since: NOW - MINUTE,
    },
  ],
  running: [
    run(141, 'migrate', 'shop.example.com', 6 * MINUTE, { usual }),
    run(142, 'clone', 'a-site-with-a-very-long-name.of-some-client.example.com', 30 * MINUTE, { usual }),
    run(143, 'backup', '東京.example.com', 90 * MINUTE, { usual, state: 'orphaned' }),
    run(144, 'frobnicate', '', 3 * SECOND, { state: 'starting' }),
    run(145, 'restore', 'wiki.example.net', MINUTE, { cancelled_by: 'anna' }),
  ],
  foreign: [{ nid: 120, type: 'verify', object: 'blog.example.com', pid: 999 }],
  stuck: [{ nid: 99, type: 'install', object: 'old.example.com' }],
  parked: [
    {
      nid: 160,
      type: 'verify',
      object: 'club.example.com',
      attempts: 2,
      until: NOW + 110 * SECOND,
      reason: 'drush exited with status 1 without having begun the task',
    },
  ],
  waiting: {
    count: 17,
    oldest_since: NOW - 14 * MINUTE,
    by_reason: [
      group('next', 1, 'It starts next.', 150),
      group('no-free-slot', 12, 'It could start, but all 3 slots are taken.', 151),
      group(
        'behind-same-object',
        4,
        'It waits behind migrate task 141 of shop.example.com, which is running on the same object.',
        170,
      ),
    ],
    next: [],
  },
  failures: [
    {
      nid: 139,
      type: 'backup',
      object: 'wiki.example.org',
      run: 'r1',
      at: NOW - 5 * MINUTE,
      duration_ms: 42 * SECOND,
      reason:
        'Could not write the backup: no space left on device (/var/aegir/backups/wiki.example.org-20261121.tar.gz)',
    },
    {
      nid: 77,
      type: 'install',
      object: 'x.example.com',
      run: 'r2',
      at: NOW - 5 * HOUR,
      duration_ms: null,
      reason: null,
    },
  ],
  schedule: {
    time_zone: 'Europe/Berlin',
    held: 'The queue is paused by aegir.',
    commands: [
      scheduled('hosting-dispatch', '* * * * *', { last: ended('success', 40), next: [NOW + 20 * SECOND] }),
      scheduled('hosting-cron', '*/5 * * * *', { last: ended('error', 200), due_since: NOW - 2 * MINUTE }),
      scheduled('cache-clear', '0 4 30 2 *', {}),
      scheduled('hosting-backups', '0 2 * * 0', {
        last: ended('success', 604_800),
        running: { run: 's4', pid: 4, since: NOW - HOUR, state: 'running' },
      }),
    ],
  },
  untouchable_records: [{ run: '20200101T000000000Z-1-1', reason: 'it belongs to another machine' }],
  last_error: { at: NOW - 40 * SECOND, message: 'the server closed the connection' },
})

const text = (lines: string[]) => `${lines.join('\n')}\n`

describe('the screen of a status', () => {
  for (const width of [80, 120]) {
    test(`fits into ${width} columns`, () => {
      const screen = newScreen(width, false)
      const quiet = statusLines(statusWith(), screen)
      const bad = statusLines(BAD_NIGHT, screen)
      const watched = statusLines(BAD_NIGHT, screen, { progress: true })
      for (const line of [...quiet, ...bad, ...watched]) assert.ok(widthOf(line) <= width, line)
      assertGolden(`status-${width}`, `${text(quiet)}\n${text(bad)}\n${text(watched)}`)
    })
  }

  test('cuts and breaks nothing where nobody looks', () => {
    const lines = statusLines(BAD_NIGHT, newScreen(Infinity, false))
    assert.ok(lines.some((line) => line.endsWith('(/var/aegir/backups/wiki.example.org-20261121.tar.gz)')))
    assert.ok(lines.some((line) => line.includes('172 verify site172.example.com and 1 more  It waits behind')))
  })

  test('says the same in colours', () => {
    const plain = statusLines(BAD_NIGHT, newScreen(80, false), { progress: true })
    const coloured = statusLines(BAD_NIGHT, newScreen(80, true), { progress: true })
    assert.deepEqual(coloured.map(stripVTControlCharacters), plain)
    assert.notDeepEqual(coloured, plain)
  })

  test('is of a status as the schema has it', () => {
    assertFitsSchema('status', BAD_NIGHT)
    assertFitsSchema('status', statusWith())
  })

  test('knows every reason that the schema knows, and no other', () => {
    const file = new URL('../../src/cli/schemas/status.schema.json', import.meta.url)
    const { $defs } = JSON.parse(readFileSync(file, 'utf8')) as { $defs: { reason: { enum: string[] } } }
    assert.deepEqual(Object.keys(REASONS).sort(), $defs.reason.enum.toSorted())
  })
})

describe('progress against the usual duration', () => {
  const at = (age: number, more: Partial<RunningStatus> = {}) =>
    statusLines(statusWith({ running: [run(1, 'verify', 'x', age, { usual, ...more })] }), newScreen(120, true), {
      progress: true,
    }).find((line) => line.includes('verify'))

  test('fills a bar, green up to the 95th percentile, yellow up to three times that, red beyond', () => {
    const cases: [age: number, bar: string, style: number][] = [
      [0, `${'░'.repeat(20)}   0 %`, 32],
      [4.5 * MINUTE, `${'█'.repeat(10)}${'░'.repeat(10)}  50 %`, 32],
      [18 * MINUTE, `${'█'.repeat(20)} 200 %`, 32],
      [22 * MINUTE, `${'█'.repeat(20)} 244 %`, 33],
      [64 * MINUTE, `${'█'.repeat(20)} 711 %`, 31],
    ]
    for (const [age, bar, style] of cases) {
      assert.ok(at(age)?.includes(`\u001b[${style}m${bar}`), `${at(age)} lacks ${bar}`)
    }
  })

  test('is not shown where nothing is known', () => {
    assert.doesNotMatch(at(MINUTE, { usual: null }) ?? '', /[█░%]/)
  })
})

describe('health', () => {
  const degraded: [string, Partial<Status>, RegExp][] = [
    ['a lost database', { database: { name: 'h', state: 'lost', since: NOW, error: 'gone' } }, /the database is lost/],
    ['a role that serves nobody', { role: 'connecting' }, /the daemon is connecting/],
    ['a hindrance', { hindrances: [{ name: 'disk', message: 'full', since: NOW }] }, /1 hindrance/],
    ['stuck tasks', { stuck: [1, 2].map((nid) => ({ nid, type: '', object: '' })) }, /2 stuck tasks/],
    ['a parked task', { parked: BAD_NIGHT.parked }, /1 parked task/],
    ['a command that failed', { schedule: BAD_NIGHT.schedule }, /1 failed command of the schedule/],
  ]
  for (const [what, changes, concern] of degraded) {
    test(`is degraded by ${what}`, () => {
      const { state, concerns } = statusWith(changes).health
      assert.equal(state, 'degraded')
      assert.match(concerns.join(), concern)
    })
  }

  test('is not degraded by what a person wants, or by a task that failed', () => {
    const { paused, failures } = BAD_NIGHT
    for (const changes of [{ paused, failures }, { role: 'standby' as const }, { role: 'disabled' as const }]) {
      assert.deepEqual(statusWith(changes).health, { state: 'healthy', concerns: [] })
    }
  })
})
