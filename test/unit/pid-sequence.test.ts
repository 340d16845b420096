import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { PidSequence, type PidMark } from '../../src/runner/pid-sequence.js'
import { ProcessTable } from '../../src/runner/process-table.js'

let root: string
let now: number

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'skynet-pids-'))
  mkdirSync(join(root, 'sys/kernel'), { recursive: true })
  now = 1_000
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function sequence(newest: number, pidMax = 32_768): PidSequence {
  writeFileSync(join(root, 'sys/kernel/pid_max'), `${pidMax}\n`)
  given(newest)
  return new PidSequence(root, () => now)
}

function given(newest: number): void {
  writeFileSync(join(root, 'loadavg'), `0.63 0.71 1.22 1/74 ${newest}\n`)
}

function marked(pids: PidSequence): PidMark {
  const mark = pids.mark()
  assert.ok(mark)
  return mark
}

describe('the sequence of pids', () => {
  test('names those that were given away since', () => {
    const pids = sequence(100)
    const mark = marked(pids)
    given(103)
    assert.deepEqual(pids.since(mark), [101, 102, 103])
  })

  const silences: [string, () => void][] = [
    ['nothing has been made since, which cannot be', () => given(100)],
    ['it has begun anew', () => given(7)],
    ['they are many', () => given(165)],
    ['it may have come round', () => (now += 501)],
    ['the kernel does not tell it', () => writeFileSync(join(root, 'loadavg'), '0.00 0.00 0.00 0/0\n')],
    ['/proc does not have it', () => rmSync(join(root, 'loadavg'))],
  ]
  for (const [when, happens] of silences) {
    test(`says nothing when ${when}`, () => {
      const pids = sequence(100)
      const mark = marked(pids)
      given(101)
      happens()
      assert.equal(pids.since(mark), undefined)
    })
  }

  test('says nothing where a machine has few pids, so that they come round quickly', () => {
    assert.equal(sequence(100, 32_767).mark(), undefined)
    assert.ok(sequence(100, 32_768).mark())
  })

  test('is believed no more once it has not known a process that had just been made', () => {
    for (const born of [101, 35]) {
      const pids = sequence(100)
      const mark = marked(pids)
      given(102)
      pids.check(102)
      assert.deepEqual(pids.since(mark), [101, 102], 'the last one is known')
      given(100)
      pids.check(born)
      given(102)
      assert.equal(pids.since(mark), undefined)
      assert.equal(pids.mark(), undefined)
    }
  })

  test('finds among the new processes those of a session, and says when there is none', async () => {
    const table = new ProcessTable()
    const mark = table.sequence.mark()
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    try {
      table.sequence.check(child.pid ?? 0)
      assert.deepEqual(
        table.ofSession(child.pid ?? 0, mark).map(({ pid }) => pid),
        [child.pid],
      )
      assert.deepEqual(table.ofSession(1_234_567_890, mark), [])
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
})
