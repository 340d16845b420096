import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../src/config/load.js'

interface Credentials {
  db_host: string
  db_port: number
  db_socket: string
  db_name: string
  db_user: string
  db_passwd: string
}

const WRITER = fileURLToPath(new URL('../module/write-config.php', import.meta.url))
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
const characters = (text: string) => Array.from(text)
const LETTERS = ['a', 'Z', '0', ' ', '\t', 'ü', 'ß', '€', '漢', '\u{1f511}', 'é', '\u00a0', ...characters(PUNCTUATION)]

/** Every third character, so to speak: a fixed sequence, so that a failure can be run again. */
function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/** Passwords that are known to be hard, then generated ones. */
function passwords(count: number): string[] {
  const next = generator(20_240_229)
  const hard = [
    '',
    ...characters(PUNCTUATION),
    PUNCTUATION,
    ...characters(PUNCTUATION).flatMap((mark) => [`${mark}x`, `x${mark}`, ` ${mark} `, `x${mark}${mark}`]),
    ' leading',
    'trailing ',
    '  both  ',
    '"quoted"',
    "'quoted'",
    '"half',
    "half'",
    'a;b#c',
    '; comment',
    '# comment',
    'a=b',
    '%(here)s %{there} ${var} $1',
    '\\',
    '\\\\',
    '\\n',
    'ends with \\',
    '\\u0041',
    'null',
    'true',
    'yes',
    'none',
    'auto',
    '[section]',
    '${HOME}',
    'ü漢\u{1f511}',
    '__proto__',
    '1e3',
    '0123',
  ]
  const generated = Array.from({ length: count - hard.length }, () =>
    Array.from({ length: 1 + next(40) }, () => LETTERS[next(LETTERS.length)]).join(''),
  )
  return [...hard, ...generated]
}

function write(list: { file: string; credentials: object }[]): { lines: string[]; status: number | null } {
  const php = ['-d', 'error_reporting=-1', '-d', 'display_errors=stderr', WRITER]
  const result = spawnSync('php', php, { encoding: 'utf8', input: JSON.stringify(list), timeout: 60_000 })
  assert.equal(result.stderr, '')
  return { lines: result.stdout.trim().split('\n'), status: result.status }
}

function temporaryFolder(t: { after(done: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'skynet-round-trip-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('500 credentials go through the module and come out of our reader as they were', async (t) => {
  const folder = temporaryFolder(t)
  const next = generator(7)
  // Names and paths hold no control characters; passwords may.
  const printable = LETTERS.filter((letter) => letter !== '\t')
  const word = () => Array.from({ length: 1 + next(12) }, () => printable[next(printable.length)]).join('')
  const list = passwords(500).map((db_passwd, index) => {
    const credentials: Credentials = {
      db_host: index % 3 === 0 ? '127.0.0.1' : `db${index}.example.com`,
      db_port: index % 5 === 0 ? 3306 : 1024 + index,
      db_socket: index % 4 === 0 ? `/run/${word().replaceAll('/', '')}x/my sql;#=${index}.sock` : '',
      db_name: `db_${word()}_x`,
      db_user: index % 2 === 0 ? ` ${word()} ` : `x${word()}`,
      db_passwd,
    }
    return { file: join(folder, String(index), 'skynet.conf'), credentials }
  })
  const { lines, status } = write(list)
  assert.equal(status, 0, lines.filter((line) => line !== 'written').join('\n'))
  assert.equal(lines.filter((line) => line === 'written').length, 500)
  for (const { file, credentials } of list) {
    const { config } = await loadConfig({ file, environment: {}, home: folder })
    const { host, port, socket, db, user, passwd } = config.database
    const { db_host, db_port, db_socket, db_name, db_user, db_passwd } = credentials
    assert.deepEqual(
      { host, port, socket: socket ?? '', db, user, passwd },
      { host: db_host, port: db_port, socket: db_socket, db: db_name, user: db_user, passwd: db_passwd },
    )
  }
  t.diagnostic(
    `${list.length} files, ${new Set(list.flatMap(({ credentials }) => characters(credentials.db_passwd))).size} different characters in passwords`,
  )
})

test('a line break in any value is refused by the module, which then writes no file', (t) => {
  const folder = temporaryFolder(t)
  const good = { db_host: 'h', db_port: 1, db_socket: '', db_name: 'd', db_user: 'u', db_passwd: 'p' }
  const list = ['db_host', 'db_socket', 'db_name', 'db_user', 'db_passwd'].flatMap((key) =>
    ['a\nb', 'a\rb', 'a\r\nb', '\n', 'a\n[database]\nhost = "evil"'].map((value, index) => ({
      file: join(folder, `${key}${index}`, 'skynet.conf'),
      credentials: { ...good, [key]: value },
    })),
  )
  const { lines, status } = write(list)
  assert.equal(status, 1)
  assert.equal(lines.length, list.length)
  for (const [index, { file }] of list.entries()) {
    assert.match(lines[index] ?? '', /^refused: the value of \w+ holds a line break/)
    assert.ok(!existsSync(file))
  }
})
