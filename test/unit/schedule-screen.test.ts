import { test } from 'node:test'
import { describe } from '../../src/cli/schedule.js'
import { newScreen } from '../../src/cli/screen.js'
import { GOLDEN_WIDTHS, assertGolden } from '../sandbox/golden.js'

const MINUTE = 60_000
const NOW = Date.UTC(2026, 10, 21, 3, 0, 0)

for (const width of GOLDEN_WIDTHS) {
  test(`the schedule, ${width} columns wide`, () => {
    const lines = describe(
      {
        daemon: 'running',
        now: NOW,
        time_zone: 'Europe/Berlin',
        held: 'The queue is paused by anna since 2026-11-21T02:00:00Z (database maintenance).',
        commands: [
          {
            name: 'hosting-dispatch',
            expression: '* * * * *',
            next: [1, 2, 3, 4, 5].map((minute) => NOW + minute * MINUTE),
            due_since: NOW - 5 * MINUTE,
            running: null,
            last: {
              run: 'r',
              due_at: NOW - 6 * MINUTE,
              started_at: NOW - 6 * MINUTE,
              ended_at: NOW - 6 * MINUTE + 3_000,
              outcome: 'success',
              exit_code: 0,
              signal: null,
              output: '/var/aegir/config/skynet/state/schedule/history/r/output',
            },
          },
          {
            name: 'nightly',
            expression: '0 3 * * *',
            next: [NOW + 23 * 60 * MINUTE],
            due_since: null,
            running: { run: 's', pid: 4711, since: NOW - 40 * MINUTE, state: 'orphaned' },
            last: {
              run: 'q',
              due_at: NOW - 25 * 60 * MINUTE,
              started_at: NOW - 25 * 60 * MINUTE,
              ended_at: NOW - 24 * 60 * MINUTE,
              outcome: 'error',
              exit_code: 3,
              signal: null,
              output: '/var/aegir/config/skynet/state/schedule/history/q/output',
            },
          },
          { name: 'never', expression: '0 0 30 2 *', next: [], due_since: null, running: null, last: null },
        ],
      },
      newScreen(width, false),
    )
    assertGolden(`schedule-${width}`, `${lines.join('\n')}\n`)
  })
}
