import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { LostRuns } from '../../src/daemon/lost-runs.js'
import type { Cancellation } from '../../src/runner/run-record.js'

const CANCELLATION: Cancellation = { by: 'anna', reason: 'it hangs', asked_at: 1, grace_ms: 2, term_at: null }

let open: Set<string>
let lost: LostRuns

beforeEach(() => {
  open = new Set(['a', 'b'])
  lost = new LostRuns((run) => open.has(run))
  lost.note('a', CANCELLATION)
})

test('a lost run is to be adopted until it has been, or until it is settled', () => {
  assert.equal(lost.isEmpty, false)
  lost.adopt((cancellationOf) =>
    assert.deepEqual([cancellationOf('a'), cancellationOf('b')], [CANCELLATION, undefined]),
  )
  assert.equal(lost.isEmpty, true)
  lost.note('b')
  assert.equal(lost.isEmpty, false)
  open.delete('b')
  assert.equal(lost.isEmpty, true)
  open.add('b')
  assert.equal(lost.isEmpty, true, 'another run of that name is not the lost one')
})

test('a run that was settled when it was lost is nobody’s', () => {
  lost.note('settled')
  lost.adopt(() => undefined)
  assert.equal(lost.isEmpty, true)
})

test('what is lost in the midst of an adoption is lost', () => {
  lost.adopt(() => lost.note('b'))
  assert.equal(lost.isEmpty, false)
})

test('an adoption that fails leaves all that was lost before and meanwhile, each with what was asked of it last', () => {
  const fail = () =>
    lost.adopt(() => {
      lost.note('b', CANCELLATION)
      throw new Error('too many open files')
    })
  assert.throws(fail, /too many open files/)
  lost.adopt((cancellationOf) => assert.deepEqual(['a', 'b'].map(cancellationOf), [CANCELLATION, CANCELLATION]))
  assert.equal(lost.isEmpty, true)
})
