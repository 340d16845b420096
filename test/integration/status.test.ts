import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Status } from '../../src/daemon/status.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, readStatus, startLeader, stopDaemon, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { Terminal } from '../sandbox/terminal.js'
import { waitFor } from '../sandbox/wait-for.js'

let sandbox: Sandbox
let sites: number[]
let daemon: DaemonProcess
/** A backup that ends with the sandbox: backups usually take 40 s here, clones are unheard of. */
let running: number
let behind: number
let failed: number

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  sites = await makeSites(sandbox, 3)
  const { hostmaster } = sandbox
  const [object = 0, other = 0] = sites
  await hostmaster.finishedTasks(90, { object, type: 'backup', delta: 40 })
  await hostmaster.finishedTasks(10, { object, type: 'backup', delta: 100, status: 3 })
  await hostmaster.finishedTasks(100, { object, type: 'backup', delta: 1, status: 2 })
  daemon = await startLeader(sandbox)
  failed = (await queue(other, 'clone', { sandbox_end: 'error' })).nid
  await sandbox.waitForStatus(failed, 2, PATIENCE_MS)
  running = (await queue(object, 'backup', { sandbox_hang: '1' })).nid
  await sandbox.waitForStatus(running, -1, PATIENCE_MS)
  behind = (await queue(object, 'verify')).nid
})
after(() => sandbox.close())

/** The prompt may stand before it: where the cursor is after a resize is the terminal's business. */
const hasEnded = (code: number) => (lines: string[]) => lines.some((line) => line.endsWith(`ended with ${code}`))

function queue(object: number, type: string, args: Record<string, string> = {}) {
  return sandbox.hostmaster.queueTask({ object, type, arguments: args })
}

/** What is known only a moment after the start. */
const isKnown = ({ running: [run], waiting, failures }: Status) =>
  Boolean(run?.usual) && waiting.count >= 1 && failures[0]?.reason != null

async function screenOf(columns: number): Promise<{ text: string; code: number | null }> {
  const { stdout, code } = await sandbox.skynet(['status'], { COLUMNS: String(columns) })
  return { text: stdout, code }
}

describe('skynet status', () => {
  test('tells of each run what is usual, of each waiting task why, and what failed last', async () => {
    const status = await waitForStatusOf(sandbox, 'all that is to be known', isKnown)
    assertFitsSchema('status', status)
    assert.deepEqual(status.health, { state: 'healthy', concerns: [] })
    assert.deepEqual(
      status.running.map(({ nid, type, usual }) => [nid, type, usual]),
      // Those that failed do not count.
      [[running, 'backup', { count: 100, median_ms: 40_000, p95_ms: 100_000 }]],
    )
    assert.deepEqual(
      status.waiting.by_reason.map(({ reason, count, tasks }) => [reason, count, tasks.map(({ nid }) => nid)]),
      [['behind-same-object', 1, [behind]]],
    )
    assert.deepEqual(
      status.failures.map(({ nid, type, reason }) => [nid, type, reason]),
      [[failed, 'clone', 'The sandbox told this task to fail']],
    )
  })

  test('groups the waiting tasks by what they wait for', async () => {
    const others = [await queue(sites[1] ?? 0, 'verify'), await queue(sites[2] ?? 0, 'verify')].map(({ nid }) => nid)
    const { waiting } = await waitForStatusOf(sandbox, 'three waiting', (status) => status.waiting.count === 3)
    assert.deepEqual(
      waiting.by_reason.map(({ reason, tasks }) => [reason, tasks.map(({ nid }) => nid)]),
      [
        ['behind-same-object', [behind]],
        ['no-free-slot', others],
      ],
    )
    for (const columns of [80, 120]) {
      const { text, code } = await screenOf(columns)
      assert.equal(code, 0)
      assert.match(text, /^Health: {4}healthy$/m)
      assert.match(
        text,
        new RegExp(`^ {2}${running} {2}backup {2}s0-\\d+\\.example\\.com {2}\\d+ s {2}usually 40 s$`, 'm'),
      )
      assert.match(text, /^Waiting: {3}3, the oldest for \d+ s$/m)
      assert.match(text, /^ {2}1 {2}for another task of the same object$/m)
      assert.match(text, new RegExp(`^ {5}${behind} verify s0-\\S+\\s+It waits behind backup task ${running}`, 'm'))
      assert.match(text, new RegExp(`^ {2}2 {2}for a free slot: ${others[0]} verify s1-\\S+`, 'm'))
      assert.match(
        text,
        new RegExp(
          `^ {2}${failed} {2}clone {2}s1-\\S+ +\\d+ s ago {2}The sandbox told this task t(?:…|o…|o fail)$`,
          'm',
        ),
      )
      assert.deepEqual(
        text.split('\n').filter((line) => line.length > columns),
        [],
      )
    }
    for (const nid of others) await sandbox.hostmaster.cancel(nid)
  })

  test('is degraded, with exit status 1, while something needs attention', async () => {
    const stuck = await sandbox.hostmaster.stuckTask({ object: sites[2] ?? 0, type: 'verify' })
    const { health } = await waitForStatusOf(sandbox, 'the stuck task', (status) => status.stuck.length === 1)
    assert.deepEqual(health, { state: 'degraded', concerns: ['1 stuck task'] })
    const { text, code } = await screenOf(80)
    assert.equal(code, 1)
    assert.match(text, /^Health: {4}degraded: 1 stuck task$/m)
    await sandbox.hostmaster.deleteTask(stuck.nid)
    await waitForStatusOf(sandbox, 'no stuck task', (status) => status.stuck.length === 0)
  })

  test('after a restart tells of earlier failures, and again what is usual', async () => {
    const before = (await readStatus(sandbox)).failures
    await stopDaemon(daemon)
    daemon = await startLeader(sandbox)
    const { failures } = await waitForStatusOf(sandbox, 'all that is to be known', isKnown)
    assert.deepEqual(failures, before)
  })
})

describe('skynet status --watch in a terminal', () => {
  const command = () => `'${sandbox.install.node}' '${sandbox.install.main}' status --watch; echo "ended with $?"`
  const row = (lines: string[], start: string) => lines.find((line) => line.startsWith(start)) ?? ''
  const isWhole = (lines: string[]) =>
    row(lines, 'Skynet:').includes('leader') && row(lines, 'Running:') !== '' && row(lines, 'q ends this') !== ''
  /** What the row of the running task says. */
  const progress = (lines: string[]) => /(\d+) s {2}[█░]{10} +(\d+) % of 40 s/.exec(row(lines, `  ${running} `))

  test('redraws in place, without flicker or scroll, with progress against the usual duration', async (t) => {
    const terminal = Terminal.open(sandbox)
    t.after(() => terminal.close())
    terminal.enter('echo before')
    await terminal.waitFor('the shell', (lines) => lines.includes('before'))
    terminal.enter(command())
    const first = await terminal.waitFor('the first frame', (lines) => isWhole(lines) && progress(lines) !== null)
    assert.deepEqual(terminal.state(), { alternate: true, cursor: false, wrap: false })
    const start = terminal.written().length
    const ages = new Set<string>()
    const broken: string[][] = []
    await waitFor(
      () => {
        const lines = terminal.screen()
        ages.add(progress(lines)?.[1] ?? '')
        if (!isWhole(lines)) broken.push(lines)
        return ages.size >= 4
      },
      { what: 'three more frames', timeoutMs: PATIENCE_MS, lastSeen: () => terminal.screen().join('\n') },
    )
    assert.deepEqual(broken, [], 'there is never half a frame')
    const last = progress(terminal.screen())
    // Both are rounded.
    assert.ok(Math.abs(Number(last?.[2]) - (Number(last?.[1]) / 40) * 100) <= 3, last?.[0])
    assert.ok(Number(last?.[1]) > Number(progress(first)?.[1]))
    const frames = terminal.written().slice(start)
    assert.ok(frames.includes('\u001b[?2026h') && frames.includes('\u001b[?2026l'), 'a frame is shown as a whole')
    assert.doesNotMatch(frames, /\n|\[[0-3]?J/, 'nothing is cleared, nothing scrolls')
    assert.ok(!frames.includes('Health:'), 'what has not changed is not written again')
    assert.equal(terminal.scrolledOff(), 0)

    terminal.press('q')
    const after = await terminal.waitFor('the shell', hasEnded(0))
    assert.deepEqual(terminal.state(), { alternate: false, cursor: true, wrap: true })
    assert.ok(after.includes('before'), 'what stood there before stands there again')
    assert.ok(!after.some((line) => line.startsWith('Skynet:')), after.join('\n'))
    terminal.enter('echo typed')
    await terminal.waitFor('what is typed, and what it prints', (lines) =>
      lines.some((line) => line.endsWith('echo typed') && lines.includes('typed')),
    )
  })

  test('survives a resize, in both directions, and an outage of the daemon, and ends clean on Ctrl-C', async (t) => {
    const terminal = Terminal.open(sandbox)
    t.after(() => terminal.close())
    terminal.enter(command())
    await terminal.waitFor('the first frame', isWhole)
    terminal.resize(40, 6)
    const small = await terminal.waitFor('a frame that fits', (lines) => /more lines$/.test(lines[5] ?? ''))
    assert.equal(small.length, 6)
    assert.match(small[0] ?? '', /^Skynet: {4}leader on /)
    terminal.resize(120, 30)
    const large = await terminal.waitFor(
      'a frame that fits',
      (lines) => isWhole(lines) && /[█░]{20} /.test(lines.join()),
    )
    const end = large.findIndex((line) => line.startsWith('q ends this'))
    assert.deepEqual(large.slice(end + 1).filter(Boolean), [], 'nothing of other sizes is left')
    assert.equal(large.filter((line) => line.startsWith('Skynet:')).length, 1)
    terminal.resize(80, 24)
    await terminal.waitFor('a frame that fits', (lines) => isWhole(lines) && progress(lines) !== null)

    await stopDaemon(daemon)
    await terminal.waitFor('word of the daemon’s end', (lines) => /^The daemon is not running/.test(lines[0] ?? ''))
    daemon = await startLeader(sandbox)
    await terminal.waitFor('the new daemon', (lines) => row(lines, 'Skynet:').includes(`process ${daemon.pid}`))
    assert.equal(terminal.scrolledOff(), 0)

    terminal.press('C-c')
    await terminal.waitFor('the shell', hasEnded(0))
    assert.deepEqual(terminal.state(), { alternate: false, cursor: true, wrap: true })
  })

  test('is refused where it makes no sense: without a terminal, with --json', async () => {
    const piped = await sandbox.skynet(['status', '--watch'])
    assert.deepEqual([piped.code, piped.stdout], [2, ''])
    assert.match(piped.stderr, /needs a terminal.*\n.*skynet status --json/)
    const both = await sandbox.skynet(['status', '--watch', '--json'])
    assert.deepEqual([both.code, both.stdout], [2, ''])
    assert.match(both.stderr, /--watch.* cannot be used with .*--json/)
  })
})

test('without a daemon both forms end with status 69 and say how to start it', async (t) => {
  await stopDaemon(daemon)
  const plain = await sandbox.skynet(['status'])
  assert.deepEqual([plain.code, plain.stdout], [69, ''])
  assert.match(plain.stderr, /The daemon is not running.*\nStart it with: skynet queued/)
  const terminal = Terminal.open(sandbox)
  t.after(() => terminal.close())
  terminal.enter(`'${sandbox.install.node}' '${sandbox.install.main}' status --watch; echo "ended with $?"`)
  await terminal.waitFor('the shell', hasEnded(69))
  assert.ok(terminal.screen().some((line) => line.includes('The daemon is not running')))
})
