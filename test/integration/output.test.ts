import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, startLeader } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

const MEBIBYTE = 1024 * 1024

let sandbox: Sandbox
let records: RunRecords
let site: number

before(async () => {
  sandbox = await Sandbox.create()
  records = new RunRecords(sandbox)
  site = (await makeSites(sandbox, 1))[0] ?? 0
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

/** The most memory that the process ever had, in bytes. */
function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

const outputOf = (nid: number) => join(records.folder(records.of(nid)[0]?.run ?? '', 'history'), 'output')

test('a task that prints 200 MB and bytes that are not UTF-8 neither grows the daemon nor breaks the log; the end of its output is kept', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const small = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: { sandbox_end: 'error' },
  })
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === small.nid, {
    timeoutMs: PATIENCE_MS,
  })
  const before = peakMemory(daemon.pid)

  // It goes on for a while after printing: the file is trimmed while the task runs and once more at its end.
  const args = {
    sandbox_print: 'the very first line\n',
    sandbox_print_bytes: '1',
    sandbox_print_mb: '200',
    sandbox_end: 'error',
    sandbox_until: 'printed',
  }
  const { nid, vid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: args })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  const running = join(records.folder(records.of(nid)[0]?.run ?? ''), 'output')
  await sandbox.waitFor(() => readFileSync(running).subarray(0, 200).toString('latin1').startsWith('[skynet: '), {
    what: 'the trimmed output of the running task',
    timeoutMs: PATIENCE_MS,
  })
  sandbox.release('printed')
  const ended = await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.deepEqual([ended['outcome'], ended['exit_code'], ended['vid']], ['error', 1, vid])
  const grown = peakMemory(daemon.pid) - before
  assert.ok(grown < 24 * MEBIBYTE, `the daemon grew by ${(grown / MEBIBYTE).toFixed(1)} MiB`)

  const output = readFileSync(outputOf(nid))
  assert.ok(output.length <= 16 * MEBIBYTE && output.length > 4 * MEBIBYTE, `${output.length} bytes`)
  const text = output.toString('latin1')
  assert.match(text, /^\[skynet: \d+ bytes removed here, the output grew beyond 16777216 bytes\]\n/)
  assert.ok(text.endsWith(' of output\n'), 'the end is there')
  assert.ok(!text.includes('the very first line'))
  assert.deepEqual(daemon.otherOutput, [], 'every line of the log is JSON')
  assert.equal(daemon.stderr, '')
})

test('output that is not UTF-8 and holds control characters is kept byte by byte, for its user alone, and stays out of the log', async () => {
  configure(sandbox, { log: { level: 'trace' } })
  const daemon = await startLeader(sandbox)
  const args = { sandbox_print: 'https://aegir.example.com/user/reset/1/2/abc/login\n', sandbox_print_bytes: '1' }
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'login-reset',
    arguments: { ...args, sandbox_end: 'error' },
  })
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  const file = outputOf(nid)
  const output = readFileSync(file)
  assert.ok(output.includes(Buffer.from([0xff, 0xfe, 0x80])) && output.includes(Buffer.from('\x1b[31m\n')))
  for (const [path, mode] of [
    [file, 0o600],
    [join(file, '..'), 0o700],
    [records.stateDirectory, 0o700],
  ] as const) {
    assert.equal(statSync(path).mode & 0o777, mode, path)
  }
  assert.deepEqual(daemon.otherOutput, [])
  const log = daemon.logs.map((line) => JSON.stringify(line)).join('\n')
  // eslint-disable-next-line no-control-regex -- these are what it must not hold
  assert.doesNotMatch(log, /user\/reset|not UTF-8|[\u0000-\u0009\u000b-\u001f]/)
})

test('an output_limit of its own is kept to', async () => {
  configure(sandbox, { state: { output_limit: '64K' } })
  const daemon = await startLeader(sandbox)
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site,
    type: 'verify',
    arguments: { sandbox_print_mb: '1' },
  })
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
  assert.ok(statSync(outputOf(nid)).size <= 64 * 1024)
})
