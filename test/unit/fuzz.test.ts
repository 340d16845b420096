import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { safeParse } from 'valibot'
import { readIni, writeIniValue } from '../../src/config/ini-file.js'
import { controlRequestSchema } from '../../src/daemon/control-requests.js'
import { ControlServer } from '../../src/daemon/control-server.js'
import { readPhpScalar } from '../../src/hostmaster/php-value.js'
import { isReadable, RunStore } from '../../src/runner/run-store.js'

/* What reads input that others wrote: it takes anything without a crash and without a hang. `npm run fuzz` is longer. */

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 1_500)

/** Drawn anew each time; fast-check says it, with the input, when a property fails. */
const SEED = process.env['FUZZ_SEED'] === undefined ? {} : { seed: Number(process.env['FUZZ_SEED']) }

/** No input of some hundred bytes may take longer, in milliseconds, however busy the machine is. */
const LIMIT = 5_000

function bounded<Result>(act: () => Result): Result {
  const before = performance.now()
  const result = act()
  assert.ok(performance.now() - before < LIMIT, 'it took too long')
  return result
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'skynet-fuzz-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A text that is right at heart, and one that is broken in some places of it. */
const broken = (text: fc.Arbitrary<string>, pieces: string[]) =>
  fc
    .tuple(text, fc.array(fc.tuple(fc.nat(), fc.nat(8), fc.constantFrom('', ...pieces)), { maxLength: 4 }))
    .map(([whole, cuts]) =>
      cuts.reduce((now, [at, length, piece]) => {
        const place = at % (now.length + 1)
        return now.slice(0, place) + piece + now.slice(place + length)
      }, whole),
    )

const iniText = fc
  .array(
    fc.oneof(
      fc.constantFrom('[database]', '[queue]', '; comment', '# comment', '', ' [ a ] ; b', '[]', '[a'),
      fc.tuple(fc.string(), fc.string()).map(([key, value]) => `${key} = ${value}`),
      fc.tuple(fc.string(), fc.string({ unit: 'binary' })).map(([key, value]) => `${key}=${JSON.stringify(value)}`),
      fc.string({ unit: fc.constantFrom(...Array.from('[]=;#"\'\\ \t\r\0ab')) }),
    ),
    { maxLength: 12 },
  )
  .map((lines) => lines.join('\n'))

test('fuzz: the INI reader takes any bytes, and places every fault and entry on a line that is there', () => {
  const inputs = fc.oneof(
    broken(iniText, ['"', "'", '\\', ';', '\n', '\r\n', '\0', '=', '[', ']', '\u2028']).map((text) =>
      Buffer.from(text),
    ),
    fc.uint8Array({ maxLength: 400 }),
  )
  fc.assert(
    fc.property(inputs, (bytes) => {
      const { entries, faults, sections } = bounded(() => readIni(bytes))
      const lines = Buffer.from(bytes).toString('latin1').split('\n').length
      for (const { line } of [...entries, ...faults]) assert.ok(line >= 0 && line <= lines)
      for (const { section } of entries) assert.ok(sections.has(section))
    }),
    { numRuns: RUNS, ...SEED },
  )
})

test('fuzz: any text comes back from the INI form as it was written', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const { entries, faults } = readIni(Buffer.from(`[s]\nk = ${writeIniValue(value)}\n`))
      // A lone half of a surrogate pair has no bytes in UTF-8.
      if (Buffer.from(value).toString() === value) assert.deepEqual([entries[0]?.value, faults], [value, []])
    }),
    { numRuns: RUNS, ...SEED },
  )
})

const php: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant('N;'),
    fc.oneof(fc.integer(), fc.maxSafeInteger()).map((number) => `i:${number};`),
    fc.boolean().map((is) => `b:${Number(is)};`),
    fc.oneof(fc.double().map(String), fc.constantFrom('INF', '-INF', 'NAN', '1e999')).map((text) => `d:${text};`),
    fc.tuple(fc.string(), fc.integer({ min: -2, max: 2 })).map(([text, off]) => {
      return `s:${Buffer.byteLength(text) + off}:"${text}";`
    }),
    fc
      .array(tie('value'), { maxLength: 4 })
      .map((all) => `a:${all.length}:{${all.map((v, i) => `i:${i};${v}`).join('')}}`),
    fc.tuple(fc.constantFrom('stdClass', 'A', '__proto__'), tie('value')).map(([name, value]) => {
      return `O:${name.length}:"${name}":1:{s:1:"x";${value}}`
    }),
    fc.constantFrom('R:1;', 'r:1;', 'C:1:"A":0:{}', 's:4294967295:"', 'a:2147483647:{', 'i:;', 'd:;', 'E:3:"A:B";'),
  ),
})).value

test('fuzz: the reader of PHP’s values gives a scalar or nothing', () => {
  fc.assert(
    fc.property(
      fc.oneof(broken(php, [':', ';', '"', '{', '}', '9', '-', '\0']), fc.string({ unit: 'binary' })),
      (text) => {
        const value = bounded(() => readPhpScalar(text))
        assert.ok(value === undefined || value === null || ['string', 'number', 'boolean'].includes(typeof value))
        assert.ok(!Number.isNaN(value))
      },
    ),
    { numRuns: RUNS, ...SEED },
  )
})

const RUN = '20261120T224608123Z-130-135'
const identity = { machine: 'm', boot: 'b', pid: 12, started: 34 }
const RECORD: Record<string, unknown> = {
  version: 1,
  run: RUN,
  nid: 130,
  vid: 135,
  type: 'verify',
  rid: 12,
  object: 'example.com',
  footprint: { locks: [{ resource: 'site:12', mode: 'exclusive' }], object: 'site', webServers: [3] },
  state: 'running',
  owner: identity,
  child: identity,
  planned_at: 1,
  started_at: 2,
  ended_at: null,
  settled_at: null,
  timed_out: false,
  exit: null,
  outcome: null,
}

test('fuzz: the reader of records gives a record that is whole, or the reason why there is none', (t) => {
  const store = new RunStore(temporaryFolder(t))
  store.create(RECORD as never)
  const file = join(store.directory(RUN), 'record.json')
  const changed = fc
    .tuple(fc.constantFrom(...Object.keys(RECORD)), fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.double()))
    .map(([key, value]) => ({ ...RECORD, [key]: value }))
  const inputs = fc.oneof(
    changed.map((record) => Buffer.from(JSON.stringify(record))),
    broken(fc.constant(JSON.stringify(RECORD)), ['"', '{', '}', 'null', '-1', '1e400', '\0']).map((text) =>
      Buffer.from(text),
    ),
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 400 }),
  )
  let whole = 0
  fc.assert(
    fc.property(inputs, (bytes) => {
      writeFileSync(file, bytes)
      const record = bounded(() => store.read(RUN))
      assert.equal(record.run, RUN)
      if (!isReadable(record)) assert.ok(record.reason.length > 0)
      else {
        whole++
        assert.ok(Number.isSafeInteger(record.nid) && record.nid > 0 && record.owner.pid > 0)
        assert.ok(record.child === null || record.child.pid > 0)
      }
    }),
    { numRuns: RUNS, ...SEED },
  )
  assert.ok(whole > 0)
})

test('fuzz: the control socket answers or hangs up, and does nothing that was not asked for in full', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock')
  let asked: unknown[] = []
  const server = new ControlServer(path, (request) => asked.push(request))
  await server.start()
  t.after(() => server.stop())
  const request = fc.oneof(
    fc.constantFrom('{"verb":"status"}', '{"verb":"pause","by":"a","reason":""}', '{"verb":"resume","by":"a"}'),
    fc
      .record({
        verb: fc.oneof(fc.constantFrom('status', 'pause', 'resume', '__proto__'), fc.string()),
        by: fc.jsonValue(),
      })
      .map((it) => JSON.stringify(it)),
    fc.json(),
  )
  const inputs = fc.oneof(
    fc
      .tuple(broken(request, ['\n', '"', '}', '\0', '\ud800']), fc.constantFrom('', '\n', '\r\n', '\n\n'))
      .map((it) => Buffer.from(it.join(''))),
    fc.uint8Array({ maxLength: 400 }),
  )
  await fc.assert(
    fc.asyncProperty(inputs, async (bytes) => {
      asked = []
      const socket = connect(path)
      let answer = ''
      socket.setEncoding('utf8')
      socket.setTimeout(LIMIT, () => socket.destroy(new Error('it hangs')))
      socket.on('data', (text: string) => (answer += text))
      socket.end(bytes)
      await once(socket, 'close')
      const [line = ''] = Buffer.from(bytes).toString('utf8').split('\n')
      const parsed = safeParse(controlRequestSchema, parseOrNothing(line))
      const isWhole = Buffer.from(bytes).includes(10)
      assert.deepEqual(asked, isWhole && parsed.success ? [parsed.output] : [])
      if (isWhole) assert.equal((JSON.parse(answer) as { ok: boolean }).ok, parsed.success)
      else assert.equal(answer, '')
    }),
    { numRuns: RUNS, ...SEED },
  )
})

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
