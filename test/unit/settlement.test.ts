import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settlementOf, type RunEvidence } from '../../src/daemon/settlement.js'

const RECORD: RunEvidence['record'] = {
  run: '20261120T224608123Z-130-135',
  vid: 135,
  exit: { kind: 'code', code: 0 },
  timed_out: false,
}

function evidence(change: Partial<RunEvidence>): RunEvidence {
  return {
    record: RECORD,
    appeared: true,
    rows: { run: { vid: 136, status: 1 }, queued: { status: 0 }, currentVid: 136 },
    refusal: undefined,
    ...change,
  }
}

const queuedOnly = { run: undefined, queued: { status: 0 }, currentVid: 135 }
const running = { run: { vid: 136, status: -1 }, queued: { status: 0 }, currentVid: 136 }

/** The table of the design, and its corners. */
const CASES: [string, Partial<RunEvidence>, string][] = [
  ['ended, status 1', {}, 'success'],
  ['ended, status 2', { rows: { ...running, run: { vid: 136, status: 2 } } }, 'error'],
  ['ended, status 3', { rows: { ...running, run: { vid: 136, status: 3 } } }, 'warning'],
  ['ended, status -1', { rows: running }, 'fail'],
  ['ended, still queued', { rows: queuedOnly }, 'not started'],
  ['ended, cancelled under the queued vid', { rows: { ...queuedOnly, queued: { status: 3 } } }, 'taken elsewhere'],
  [
    'ended, somebody’s --force made a revision before our start',
    { rows: { ...queuedOnly, currentVid: 140 } },
    'taken elsewhere',
  ],
  [
    'ended, the run’s row queued again by hand',
    { rows: { ...running, run: { vid: 136, status: 0 } } },
    'taken elsewhere',
  ],
  [
    'ended, the run’s row without a status',
    { rows: { ...running, run: { vid: 136, status: null } } },
    'taken elsewhere',
  ],
  ['refused as already running, the row -1', { refusal: 'already running', rows: running }, 'taken elsewhere'],
  ['refused as already running, the row still 0', { refusal: 'already running', rows: queuedOnly }, 'taken elsewhere'],
  [
    'refused as not queued, the row 3',
    { refusal: 'not queued', rows: { ...queuedOnly, queued: { status: 3 } } },
    'taken elsewhere',
  ],
  ['never appeared, still queued', { appeared: false, rows: queuedOnly }, 'withdrawn'],
  ['never appeared, somebody else’s row -1', { appeared: false, rows: running }, 'withdrawn'],
  ['ended, the node deleted', { rows: { run: undefined, queued: undefined, currentVid: undefined } }, 'vanished'],
  ['ended, the node deleted and the rows left', { rows: { ...running, currentVid: undefined } }, 'vanished'],
  [
    'never appeared, deleted',
    { appeared: false, rows: { run: undefined, queued: undefined, currentVid: undefined } },
    'vanished',
  ],
  [
    'refused, deleted',
    { refusal: 'not queued', rows: { run: undefined, queued: undefined, currentVid: undefined } },
    'vanished',
  ],
]

describe('a run', () => {
  for (const [what, change, expected] of CASES) {
    test(`${what}: ${expected}`, () => {
      const settlement = settlementOf(evidence(change))
      assert.equal(settlement.kind === 'final' ? settlement.outcome : settlement.kind, expected)
    })
  }

  const exits: [string, RunEvidence['record']['exit'], RegExp][] = [
    ['signal', { kind: 'signal', signal: 'KILL' }, /ended by signal KILL \(exit status 137\)/],
    ['status', { kind: 'code', code: 255 }, /exited with status 255/],
    ['unknown end', { kind: 'unknown' }, /signal and exit status unknown/],
    ['missing end', null, /signal and exit status unknown/],
  ]
  for (const [what, exit, says] of exits) {
    test(`that died in the middle is failed under its own vid, with a row that names run and ${what}`, () => {
      const settlement = settlementOf(evidence({ record: { ...RECORD, exit }, rows: running }))
      assert.ok(settlement.kind === 'fail')
      assert.equal(settlement.vid, 136)
      assert.match(settlement.message, says)
      assert.ok(settlement.message.includes(RECORD.run))
      assert.doesNotMatch(settlement.message, /longer than/)
    })
  }

  test('that somebody cancelled says so and why, not by whom, before anything else', () => {
    const cancellation = { by: 'aegir', reason: 'wrong platform', asked_at: 1, grace_ms: 1, term_at: 1 }
    const record = { ...RECORD, timed_out: true, exit: { kind: 'signal' as const, signal: 'KILL' }, cancellation }
    const settlement = settlementOf(evidence({ record, rows: running }))
    assert.match(
      settlement.kind === 'fail' ? settlement.message : '',
      /signal KILL .*, because an administrator cancelled it: wrong platform \(run /,
    )
    const notBegun = settlementOf(evidence({ record, rows: { ...running, run: undefined, currentVid: RECORD.vid } }))
    assert.equal(notBegun.kind, 'cancelled')
  })

  test('that Skynet ended for its time limit says so', () => {
    const record = { ...RECORD, timed_out: true, exit: { kind: 'signal' as const, signal: 'TERM' } }
    const settlement = settlementOf(evidence({ record, rows: running }))
    assert.match(
      settlement.kind === 'fail' ? settlement.message : '',
      /signal TERM \(exit status 143\).*\[drush\] timeout/,
    )
  })
})
