import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import pino from 'pino'
import { Conditions } from '../../src/observe/conditions.js'
import { NOTIFIER_LIMITS, Notifier, type NotifierLimits } from '../../src/observe/notifier.js'
import { waitFor } from '../sandbox/wait-for.js'

let folder: string
before(() => (folder = mkdtempSync(join(tmpdir(), 'skynet-notifier-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Line {
  level: number
  msg: string
  reason?: string
  event?: string
}

/** A notifier whose program is a shell script; `$TOLD` is a file for what it is told. */
function notifier(name: string, script: string | null, limits: Partial<NotifierLimits> = {}) {
  const program = join(folder, name)
  const told = join(folder, `${name}.told`)
  const write = (text: string) => writeFileSync(program, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  if (script !== null) write(script)
  const lines: Line[] = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) })
  const subject = new Notifier({
    logger,
    conditions: new Conditions(logger, () => Date.now()),
    program: () => program,
    database: () => 'hostmaster',
    surroundings: { home: folder, environment: { PATH: '/usr/bin:/bin', TOLD: told }, umask: 0o022 },
    now: () => 1_700_000_000_000,
    pause: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
    limits: { ...NOTIFIER_LIMITS, ...limits },
  })
  const read = () => (existsSync(told) ? readFileSync(told, 'utf8').trimEnd().split('\n') : [])
  return { subject, lines, told: read, write }
}

const lost = (error: string) => ({ kind: 'database lost', error }) as const
const errorsIn = (lines: string[]) => lines.map((line) => (JSON.parse(line) as { error: string }).error)

describe('the program of [notify] on_failure', () => {
  test('gets each event as a line of JSON, in order, without arguments and with a bare environment', async () => {
    const { subject, told } = notifier(
      'good',
      'cat >>"$TOLD"; echo "{\\"args\\":$#,\\"env\\":\\"$(env | cut -d= -f1 | sort | tr "\\n" " ")\\",\\"pwd\\":\\"$PWD\\",\\"umask\\":\\"$(umask)\\"}" >>"$TOLD"',
    )
    process.env['SKYNET_DATABASE_PASSWD'] = 'hunter2'
    try {
      subject.note(lost('“first” $(touch x); `touch y`'))
      subject.note(lost('second'))
      await subject.drained()
    } finally {
      delete process.env['SKYNET_DATABASE_PASSWD']
    }
    const [first, surroundings, second] = told().map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(first, {
      event: 'database_lost',
      time: '2023-11-14T22:13:20.000Z',
      host: first?.['host'],
      database: 'hostmaster',
      message: 'The database is not usable; nothing is started until it is: “first” $(touch x); `touch y`',
      error: '“first” $(touch x); `touch y`',
    })
    assert.deepEqual(surroundings, { args: 0, env: 'PATH PWD TOLD ', pwd: folder, umask: '0022' })
    assert.equal(second?.['error'], 'second')
  })

  test('is killed with all that it started when it takes too long, and the next event is told', async () => {
    const { subject, told, lines, write } = notifier('slow', 'sleep 600 & echo $! >>"$TOLD"; wait', { time: 500 })
    subject.note(lost('a'))
    await subject.drained()
    const [pid = ''] = told()
    await waitFor(() => spawnSync('kill', ['-0', pid]).status !== 0, { what: 'the end of its child' })
    assert.match(lines[0]?.reason ?? '', /still running after 0.5 s and was killed/)
    write('cat >>"$TOLD"')
    subject.note(lost('b'))
    await subject.drained()
    assert.deepEqual(errorsIn(told().slice(1)), ['b'])
    assert.deepEqual(
      lines.map(({ level, msg }) => [level, msg]),
      [
        [40, 'a notification did not get through; tasks go on'],
        [30, 'notifications get through again'],
      ],
    )
  })

  test('fails as often as it likes: that is one line in the log', async () => {
    const { subject, lines } = notifier('bad', 'echo "no route to $0\x1b[31m" >&2; exit 3')
    for (const error of ['a', 'b', 'c']) subject.note(lost(error))
    await subject.drained()
    assert.equal(lines.length, 1)
    assert.equal(lines[0]?.event, 'database_lost')
    assert.equal(lines[0].reason, `it exited 3: no route to ${join(folder, 'bad')}`)
  })

  test('may be missing, be no program, or not read what it is told', async () => {
    const missing = notifier('missing', null)
    missing.subject.note(lost('a'))
    await missing.subject.drained()
    assert.match(missing.lines[0]?.reason ?? '', /ENOENT/)

    const text = notifier('text', null)
    writeFileSync(join(folder, 'text'), 'just text', { mode: 0o600 })
    text.subject.note(lost('a'))
    await text.subject.drained()
    assert.match(text.lines[0]?.reason ?? '', /EACCES/)

    const deaf = notifier('deaf', 'exec <&-; exit 0')
    for (const error of ['a', 'x'.repeat(1_000_000)]) deaf.subject.note(lost(error))
    await deaf.subject.drained()
    assert.deepEqual(deaf.lines, [])
  })

  test('may leave something behind that keeps its standard error open', async () => {
    const { subject, lines, told } = notifier('parent', '(sleep 30; :) & echo $! >>"$TOLD"', { time: 20_000 })
    const began = performance.now()
    subject.note(lost('a'))
    await subject.drained()
    assert.ok(performance.now() - began < 15_000)
    assert.deepEqual(lines, [])
    spawnSync('kill', told())
  })

  test('is run so many times in a while at most; what is more waits, and what is too much is counted', async () => {
    const { subject, told, lines } = notifier('busy', 'cat >>"$TOLD"', { runs: 2, window: 1_500, waiting: 3 })
    const began = performance.now()
    for (let number = 0; number < 8; number += 1) subject.note(lost(String(number)))
    await subject.drained()
    assert.ok(performance.now() - began >= 1_400, 'two, then a wait, then two')
    assert.deepEqual(errorsIn(told()), ['0', '1', '2', '3'])
    const dropped = told().map((line) => (JSON.parse(line) as { dropped?: number }).dropped)
    assert.equal(
      dropped.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      4,
    )
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['too many events to notify of; some are dropped'],
    )
  })

  test('is not started any more once the daemon leaves', async () => {
    const { subject, told } = notifier('late', 'cat >>"$TOLD"', { runs: 1, window: 60_000 })
    subject.note(lost('a'))
    subject.note(lost('b'))
    await waitFor(() => told().length === 1, { what: 'the first' })
    subject.stop()
    await subject.drained()
    subject.note(lost('c'))
    await subject.drained()
    assert.deepEqual(errorsIn(told()), ['a'])
  })
})
