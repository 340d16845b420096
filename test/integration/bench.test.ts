import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atMost } from '../bench/figure.js'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

/** Of each measurement that counts, a figure that must have been there. */
const COUNTED = [
  'idle: statements a minute',
  'idle: connections',
  'statements a task',
  'processes a task',
  'heap that a task leaves behind',
  'rows read ÷ at 1,000 finished tasks',
  'the same: rows read a statement',
]

test('what the bench counts is within its limits: statements, rows, processes, what tasks leave in the heap', async (t) => {
  const bench = spawn(process.execPath, ['--import', 'tsx', 'test/bench/run.ts', '--counts'], { cwd: CHECKOUT })
  let said = ''
  for (const stream of [bench.stdout, bench.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  const code = await new Promise((resolve) => bench.once('close', resolve))
  assert.equal(code, 0, said)
  for (const name of COUNTED) {
    const line = said.split('\n').find((each) => each.slice(4).startsWith(name))
    assert.ok(line, `“${name}” was not measured:\n${said}`)
    t.diagnostic(line.replace(/ {2,}/g, '  '))
  }
})

test('a figure above its limit is not reached, nor is one that could not be measured', () => {
  assert.equal(atMost('statements', 150, { most: 150 }).reached, true)
  assert.equal(atMost('statements', 150.1, { most: 150 }).reached, false)
  assert.equal(atMost('statements', Number.NaN, { most: 150 }).reached, false)
})
