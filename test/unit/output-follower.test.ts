import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { OutputFollower, lastOutputLines } from '../../src/cli/tail/output-follower.js'
import { trimOutput } from '../../src/runner/run-output.js'

let folder: string
let file: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-follow-'))
  file = join(folder, 'output')
})
beforeEach(() => writeFileSync(file, ''))
after(() => rmSync(folder, { recursive: true, force: true }))

function open(): OutputFollower {
  const output = OutputFollower.open(file)
  assert.ok(output)
  return output
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index} ${'x'.repeat(60)}`)

const text = (lines: string[]) => lines.map((line) => `${line}\n`).join('')

describe('following an output file', () => {
  test('gives each line once, when it is complete, whatever its bytes', () => {
    const output = open()
    assert.deepEqual(output.read(), [])
    appendFileSync(file, 'one\ntw')
    assert.deepEqual(output.read(), ['one'])
    appendFileSync(file, Buffer.from([0x6f, 0x0a, 0xff, 0x0a, 0xc3]))
    assert.deepEqual(output.read(), ['two', '\ufffd'])
    appendFileSync(file, Buffer.from([0xa9, 0x0a]))
    assert.deepEqual(output.read(), ['é'], 'a character that came in two parts')
    appendFileSync(file, 'the end')
    assert.deepEqual(output.read(), [])
    assert.deepEqual(output.readToEnd(), ['the end'])
    assert.deepEqual(output.readToEnd(), [])
    output.close()
  })

  test('goes on when the file is moved, as that of a settled run is', () => {
    const output = open()
    const moved = join(folder, 'moved')
    renameSync(file, moved)
    appendFileSync(moved, 'more\n')
    assert.deepEqual(output.read(), ['more'])
    output.close()
  })

  test('goes on at the same byte when the beginning is cut off, and says what it missed', () => {
    const output = open()
    const first = numbered(0, 500)
    appendFileSync(file, text(first))
    assert.deepEqual(output.read(), first)
    appendFileSync(file, 'half a l')
    output.read()
    assert.ok(trimOutput(file, 10_000) > 0)
    appendFileSync(file, 'ine\n')
    assert.deepEqual(output.read(), ['half a line'])
    const missed = numbered(500, 2_000)
    appendFileSync(file, text(missed))
    assert.ok(trimOutput(file, 10_000) > 0)
    const lines = output.readToEnd()
    assert.match(lines[0] ?? '', /^\[skynet: \d+ bytes removed here/)
    assert.equal(lines.at(-1), missed.at(-1))
    output.close()
  })

  test('a line that does not end is shown in parts', () => {
    const output = open()
    appendFileSync(file, 'x'.repeat(150_000))
    assert.deepEqual(
      output.read().map((line) => line.length),
      [65_536, 65_536],
    )
    output.close()
  })

  test('a flood is read in turns, and nothing of it is lost', () => {
    const output = open()
    const flood = numbered(0, 60_000)
    appendFileSync(file, text(flood))
    const first = output.read()
    assert.ok(first.length < flood.length)
    assert.deepEqual([...first, ...output.readToEnd()], flood)
    output.close()
  })

  test('begins with the last lines, never with a part of one', () => {
    const lines = numbered(0, 10_000)
    writeFileSync(file, text(lines))
    const output = open()
    assert.deepEqual(output.last(3), lines.slice(-3))
    appendFileSync(file, 'next\n')
    assert.deepEqual(output.read(), ['next'])
    output.close()
    assert.deepEqual(lastOutputLines(file, 2), [lines.at(-1), 'next'])
    assert.deepEqual(lastOutputLines(file, 0), [])
    const all = lastOutputLines(file, 100_000)
    assert.deepEqual(all, [...lines, 'next'].slice(-all.length))
    assert.ok(all.length < lines.length, 'it had to begin in the midst')
    assert.deepEqual(lastOutputLines(join(folder, 'missing'), 5), [])
  })
})
