import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readIni, writeIniValue } from '../../src/config/ini-file.js'

const read = (text: string) => readIni(Buffer.from(text))
const toBytes = (text: string) => Buffer.from(text)
/** What means something to readers of INI files or JSON, and little else. */
const special = fc.constantFrom(...Array.from('[]=;#"\'\\ \t\n\r\0ab\u00a0\ufeff\u2028é$%{}'))

const valueOf = (raw: string) => {
  const { entries, faults } = read(`[s]\nk = ${raw}\n`)
  return faults[0]?.message ?? entries[0]?.value
}

test('entries carry their section and line; blanks, comments, CRLF, a byte order mark and a missing last newline are fine', () => {
  assert.deepEqual(read('\uFEFF; c\r\n[a] ; why\r\n x=1\r\n\r\n  # c\r\n[ b ]\r\ny_z = two words\t'), {
    entries: [
      { section: 'a', key: 'x', value: '1', line: 3 },
      { section: 'b', key: 'y_z', value: 'two words', line: 7 },
    ],
    sections: new Map([
      ['a', 2],
      ['b', 6],
    ]),
    faults: [],
  })
})

for (const [raw, value] of [
  ['plain', 'plain'],
  ['""', ''],
  ["''", ''],
  ['a=b', 'a=b'],
  ["it's", "it's"],
  ['a\\b', 'a\\b'],
  ['true', 'true'],
  ['null', 'null'],
  ['a[]', 'a[]'],
  ['$HOME ${x} %d', '$HOME ${x} %d'],
  ['"a;b#c"', 'a;b#c'],
  ['"\\"\\\\\\/\\u00e9\\n"', '"\\/é\n'],
  ['"  "', '  '],
  ["'123'", '123'],
  ["'true'", 'true'],
  ['\'"x"\'', '"x"'],
  ["'a;#\\\\b\\n'", 'a;#\\\\b\\n'],
  ['a\u2028b', 'a\u2028b'],
] as const) {
  test(`the value ${JSON.stringify(raw)} is read as ${JSON.stringify(value)}`, () => {
    assert.equal(valueOf(raw), value)
  })
}

for (const [raw, part] of [
  ['a;b', 'holds ; or #'],
  ['a #b', 'holds ; or #'],
  ['a\\;b', 'holds ; or #'],
  ['a\\\\b', 'holds ; or #'],
  ['"', 'a quote at one end only'],
  ["'", 'a quote at one end only'],
  ['"abc', 'a quote at one end only'],
  ['abc"', 'a quote at one end only'],
  ['"abc\'', 'a quote at one end only'],
  ['"abc" ; comment', 'a quote at one end only'],
  ['"abc" "def"', 'not well quoted'],
  ['"a"b"', 'not well quoted'],
  ['"a\\"', 'not well quoted'],
  ['"a\\d"', 'not well quoted'],
  ['"a\tb"', 'not well quoted'],
  ["'a'b'", 'a single quote within single quotes'],
  ['\u00a0a', 'unusual blanks'],
] as const) {
  test(`the value ${JSON.stringify(raw)} is refused and not changed in silence`, () => {
    const message = valueOf(raw) ?? ''
    assert.ok(message.includes(part), message)
    assert.match(message, /double quotes/)
  })
}

for (const [text, line, part] of [
  ['[s]\na =', 2, 'if it is meant to be empty, write ""'],
  ['[s]\nno equals sign', 2, 'neither blank, nor a comment'],
  ['[s]\n= value', 2, 'neither blank, nor a comment'],
  ['[s', 1, 'neither blank, nor a comment'],
  ['[s] tail', 1, 'neither blank, nor a comment'],
  ['[[s]]', 1, 'neither blank, nor a comment'],
  ['[s]x=1', 1, 'neither blank, nor a comment'],
  ['a = 1', 1, 'before the first [section]'],
  ['[s]\na = 1\na = 2', 3, 'sets the same key as line 2'],
  ['[s]\n[t]\n[s]', 3, 'is the same section as on line 1'],
  ['[s]\na = 1\0', 2, 'NUL'],
  ['[s]\na = 1\rb = 2', 2, 'carriage return'],
] as const) {
  test(`${JSON.stringify(text)} is a fault of line ${line}`, () => {
    const { faults } = read(text)
    assert.equal(faults.length, 1)
    assert.equal(faults[0]?.line, line)
    assert.ok(faults[0].message.includes(part), faults[0].message)
  })
}

test('bytes that are not UTF-8 are a fault of the whole file, not a changed password', () => {
  const { faults, entries } = readIni(Buffer.from('[database]\npasswd = caf\xe9\n', 'latin1'))
  assert.equal(faults[0]?.line, 0)
  assert.deepEqual(entries, [])
})

test('names with a meaning in JavaScript or in other INI readers are only names', () => {
  const { entries, faults } = read('[__proto__]\n__proto__ = 1\nconstructor = 2\n[a.b]\nk[] = 3\n')
  assert.deepEqual(
    entries.map(({ section, key, value }) => `${section} ${key} ${value}`),
    ['__proto__ __proto__ 1', '__proto__ constructor 2', 'a.b k[] 3'],
  )
  assert.deepEqual(faults, [])
  assert.equal(({} as Record<string, unknown>)['constructor'], Object)
})

test('no fault repeats what stands in a broken line', () => {
  const lines = [
    'passwd hunter2',
    'passwd: hunter2=',
    'passwd = hunter2;x',
    'passwd = "hunter2',
    'passwd = "hunter2"x"',
    "passwd = 'hunter2'x'",
    'passwd = hunter2\0',
    '[hunter2',
    'passwd =\n  hunter2=',
    'hunter2 = 1\nhunter2 = 2',
    '[hunter2]\n[hunter2]',
    '[hunter2 =\n[hunter2 =',
  ]
  for (const line of lines) assert.doesNotMatch(JSON.stringify(read(`[database]\n${line}\n`).faults), /hunter2/, line)
})

test('property: any string, written as JSON or as the writer writes it, is read back as it was', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: special })), (value) => {
      assert.equal(valueOf(JSON.stringify(value)), value)
      assert.equal(valueOf(writeIniValue(value)), value)
    }),
    { numRuns: 2000 },
  )
})

test('property: an unquoted or single-quoted value is read as it stands, or refused', () => {
  const line = fc.string({ unit: special }).map((text) => text.replaceAll(/[\0\r\n]/g, '').trim())
  fc.assert(
    fc.property(line, (value) => {
      const bare = read(`[s]\nk=${value}\n`)
      if (bare.faults.length === 0 && !/^".*"$|^'.*'$/s.test(value)) assert.equal(bare.entries[0]?.value, value)
      const single = read(`[s]\nk='${value}'\n`)
      if (single.faults.length === 0) assert.equal(single.entries[0]?.value, value)
    }),
    { numRuns: 2000 },
  )
})

test('property: no text and no bytes make the reader throw, and each line counts once', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: special, maxLength: 200 }).map(toBytes)), (bytes) => {
      const { entries, faults } = readIni(bytes)
      const lines = [...entries, ...faults].map(({ line }) => line)
      assert.ok(new Set(lines).size <= Buffer.from(bytes).toString().split('\n').length)
    }),
    { numRuns: 2000 },
  )
})
