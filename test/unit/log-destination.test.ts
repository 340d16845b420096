import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { destination, type LogDestination } from '../../src/observe/log-destination.js'
import { waitFor } from '../sandbox/wait-for.js'

let folder: string
let file: string
let log: LogDestination

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-log-'))
  file = join(folder, 'log')
  log = destination(file)
  await new Promise((resolve) => log.stream.once('ready', resolve))
})
afterEach(() => {
  log.stream.destroy()
  rmSync(folder, { recursive: true })
})

const written = (name = file) => (existsSync(name) ? readFileSync(name, 'utf8') : '')

describe('where log lines go', () => {
  test('lines of one moment are written together, in order, and with no more ado', async () => {
    const sizes: number[] = []
    log.stream.on('write', (bytes: number) => sizes.push(bytes))
    log.lines.write('one\n')
    log.lines.write('two\n')
    await waitFor(() => written() === 'one\ntwo\n', { what: 'the lines' })
    log.lines.write('three\n')
    await waitFor(() => written() === 'one\ntwo\nthree\n', { what: 'the line after them' })
    assert.deepEqual(sizes, [8, 6])
  })

  test('what has been gathered is there when the log has been flushed', () => {
    log.lines.write('one\n')
    log.lines.write('last words\n')
    log.flush()
    assert.equal(written(), 'one\nlast words\n')
    log.flush()
    assert.equal(written(), 'one\nlast words\n')
  })

  test('no line is lost or written twice where the file is moved away and opened anew', async () => {
    log.lines.write('before\n')
    renameSync(file, `${file}.1`)
    log.reopen()
    log.lines.write('after\n')
    await waitFor(() => [`${file}.1`, file].map((name) => written(name)).join('') === 'before\nafter\n', {
      what: 'both lines',
    })
  })
})
