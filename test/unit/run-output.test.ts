import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { printable } from '../../src/observe/printable.js'
import { readOutputEnd, redact, refusalIn, trimOutput } from '../../src/runner/run-output.js'

let folder: string
let file: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-output-'))
  file = join(folder, 'output')
})
after(() => rmSync(folder, { recursive: true, force: true }))

describe('drush’s refusal', () => {
  const colour = '\u001b[31;40m\u001b[1m[error]\u001b[0m'
  const traces = new URL('../sandbox/traces/', import.meta.url)
  const cases: [string, string, ReturnType<typeof refusalIn>][] = [
    ['of the real drush, coloured', readFileSync(new URL('already-running.stderr', traces), 'utf8'), 'already running'],
    ['of the real drush, not queued', readFileSync(new URL('not-queued.stderr', traces), 'utf8'), 'not queued'],
    ['of an unknown nid', readFileSync(new URL('unknown-nid.stderr', traces), 'utf8'), undefined],
    ['plain', 'This task is already running, use --force    [error]\n', 'already running'],
    ['with colours in its midst', `This task is \u001b[1mnot queued\u001b[0m, use --force ${colour}`, 'not queued'],
    ['of nothing', '', undefined],
    ['of another error', `The task is running ${colour}`, undefined],
  ]
  for (const [what, output, expected] of cases) {
    test(`${what} is ${expected ?? 'none'}`, () => assert.equal(refusalIn(output), expected))
  }
})

describe('an output file', () => {
  test('within its limit is left as it is', () => {
    writeFileSync(file, 'x'.repeat(1_000))
    assert.equal(trimOutput(file, 1_000), 0)
    assert.equal(statSync(file).size, 1_000)
  })

  test('beyond its limit keeps its end, below the limit, after a line that says how much was removed', () => {
    const text = Array.from({ length: 40_000 }, (_, line) => `line ${line}\n`).join('')
    writeFileSync(file, text)
    const removed = trimOutput(file, 200_000)
    const kept = readFileSync(file, 'utf8')
    const [first = ''] = kept.split('\n', 1)
    assert.equal(first, `[skynet: ${removed} bytes removed here, the output grew beyond 200000 bytes]`)
    assert.equal(kept.slice(first.length + 1), text.slice(removed))
    assert.ok(kept.length < 200_000 && kept.length > 90_000)
  })

  test('that is missing or a symbolic link is neither read nor cut', () => {
    const link = join(folder, 'link')
    writeFileSync(file, 'x'.repeat(100))
    symlinkSync(file, link)
    assert.equal(trimOutput(join(folder, 'missing'), 10), 0)
    assert.equal(trimOutput(link, 10), 0)
    assert.equal(readOutputEnd(link, 10), '')
    assert.equal(readOutputEnd(join(folder, 'missing'), 10), '')
    assert.equal(statSync(file).size, 100)
  })

  test('is read from its end, and bytes that are not UTF-8 are replaced', () => {
    writeFileSync(file, Buffer.concat([Buffer.from('beginning '), Buffer.from([0xff, 0xfe]), Buffer.from(' end')]))
    assert.equal(readOutputEnd(file, 6), '\ufffd\ufffd end')
    assert.equal(readOutputEnd(file, 1_000), 'beginning \ufffd\ufffd end')
  })
})

describe('what is printed of output', () => {
  const cases: [string, string, string][] = [
    [
      'a one-time login link',
      'see http://a.example.com/user/reset/1/167/xyz-_3 now',
      'see http://a.example.com/user/reset/… now',
    ],
    ['a login link of another form', 'https://a.example.com/sso/abc123/login', 'https://a.example.com/sso/…/login'],
    ['credentials', 'mysql://user:secret@localhost/db', 'mysql://…:…@localhost/db'],
    ['a password with an @', 'mysql://user:se@cr@et@localhost/db', 'mysql://…:…@localhost/db'],
    ['a password with a slash', 'https://user:a/b@host', 'https://…:…@host'],
    ['an address without credentials', 'http://localhost:8080/path', 'http://localhost:8080/path'],
    ['plain text', 'user: somebody, at: home', 'user: somebody, at: home'],
  ]
  for (const [what, text, expected] of cases) {
    test(`${what} is ${text === expected ? 'left' : 'replaced'}`, () => assert.equal(redact(text), expected))
  }
})

describe('data of clients', () => {
  const cases: [string, string, string][] = [
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['a window title', '\u001b]0;owned\u0007plain', 'plain'],
    ['line ends, tabs, NUL, DEL and C1', 'a\r\nb\tc\u0000d\u007fe\u0085f', 'abcdef'],
    ['a lone escape', 'a\u001b', 'a'],
    ['marks that turn the direction of writing', 'a\u202eb\u2066c\u200fd\ufeff', 'abcd'],
    ['other scripts', 'Größe 日本語 🚀', 'Größe 日本語 🚀'],
  ]
  for (const [what, text, expected] of cases) {
    test(`with ${what} becomes ${expected}`, () => assert.equal(printable(text), expected))
  }

  test('is cut at 200 characters', () => {
    assert.equal(printable('x'.repeat(200)), 'x'.repeat(200))
    assert.equal(printable('x'.repeat(65_536)), `${'x'.repeat(200)}…`)
  })
})
