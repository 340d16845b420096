import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { TailLine } from '../../src/cli/tail/tail-line.js'
import type { FollowedVerb } from '../sandbox/followed-verb.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 3, { servers: 3 })
  configure(sandbox, { queue: { concurrent_tasks: 3 } })
})
after(() => sandbox.close())

async function queue(site: number | undefined, args: Record<string, string>): Promise<number> {
  return (await sandbox.hostmaster.queueTask({ object: site ?? 0, type: 'verify', arguments: args })).nid
}

/** A line of `--json`, and when it came. */
type Seen = TailLine & { at: number }

const parsed = new WeakMap<FollowedVerb, Seen[]>()

function seenBy(tail: FollowedVerb): Seen[] {
  const seen = parsed.get(tail) ?? []
  parsed.set(tail, seen)
  for (const { text, at } of tail.said.slice(seen.length)) {
    const line = JSON.parse(text) as TailLine
    assertFitsSchema('tail', line)
    seen.push({ ...line, at })
  }
  return seen
}

function hasEnded(nid: number): (tail: FollowedVerb) => boolean {
  return (tail) => seenBy(tail).some((line) => line.nid === nid && line.text.startsWith('ended with'))
}

/** How late this machine is by itself: the longest that a timer of ours was late while `work` was done. */
async function lateness(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last - 10)
    last = now
  }, 10)
  try {
    await work()
    return longest
  } finally {
    clearInterval(timer)
  }
}

test('of three parallel tasks every line comes once, in order, within 200 ms, through a restart of the daemon', async (t) => {
  const first = await startLeader(sandbox)
  t.after(() => first.kill())
  const tail = sandbox.followSkynet(['tail', '-f', '--json'])
  t.after(() => tail.kill())
  await tail.waitUntil(({ stderr }) => stderr.includes('No task is being run.\n'), 'tail to be ready')
  const rows = 80
  const nids: number[] = []
  const late = await lateness(async () => {
    for (const site of sites) {
      const args = {
        sandbox_log: String(rows),
        sandbox_log_every_ms: '50',
        sandbox_log_stamp: '1',
        sandbox_until: 'go',
      }
      nids.push(await queue(site, args))
    }
    const hasBegun = (nid: number) => seenBy(tail).some((line) => line.nid === nid && line.source === 'output')
    await tail.waitUntil(() => nids.every(hasBegun), 'output of all three')
    first.kill('SIGKILL')
    await first.exited
    const lastRow = (nid: number, source: TailLine['source']) =>
      seenBy(tail).some((line) => line.nid === nid && line.source === source && line.text.startsWith(`Line ${rows} `))
    await tail.waitUntil(() => nids.every((nid) => lastRow(nid, 'log') && lastRow(nid, 'output')), 'the last rows')
  })
  const second = await startLeader(sandbox)
  t.after(() => second.kill())
  sandbox.release('go')
  await tail.waitUntil((verb) => nids.every((nid) => hasEnded(nid)(verb)), 'the ends of all three')
  // One that comes and goes between two looks.
  const quick = await queue(sites[0], { sandbox_log: '3', sandbox_print: 'printed, without a line end' })
  await tail.waitUntil(hasEnded(quick), 'the end of the quick one')

  const seen = seenBy(tail)
  for (const nid of [...nids, quick]) {
    const ofTask = seen.filter((line) => line.nid === nid)
    const log = ofTask.filter(({ source }) => source === 'log')
    const written = await sandbox.hostmaster.log(nid)
    assert.deepEqual(
      log.map(({ log_type, text }) => [log_type, text]),
      written.map(({ type, message }) => [type, message]),
    )
    assert.match(ofTask.at(-1)?.text ?? '', /^ended with success after \d+ s$/)
    assert.equal(ofTask.filter(({ source }) => source === 'skynet').length, 1)
  }
  for (const nid of nids) {
    const stamped = seen.filter(({ nid: its, text }) => its === nid && text.startsWith('Line '))
    for (const source of ['log', 'output']) {
      const numbers = stamped.filter((line) => line.source === source).map(({ text }) => Number(text.split(' ')[1]))
      assert.deepEqual(
        numbers,
        Array.from({ length: rows }, (_, index) => index + 1),
        `${source} of task ${nid}`,
      )
    }
    const delays = stamped.map(({ text, at }) => at - 1000 * Number(text.split(' at ')[1]))
    const longest = Math.max(...delays)
    t.diagnostic(`task ${nid}: at most ${Math.round(longest)} ms late, the machine itself ${Math.round(late)} ms`)
    assert.ok(longest <= 200 + late, `${longest} ms late, while the machine itself was late by ${late} ms`)
  }
  const printed = seen.filter(({ nid, source }) => nid === quick && source === 'output')
  assert.deepEqual(
    printed.map(({ text }) => text),
    ['printed, without a line end'],
  )
  tail.kill('SIGINT')
  assert.deepEqual(await tail.exited, { code: 0, signal: null })
  await stopDaemon(second)
})

test('one task is followed from the queue to its end, through a lost database, and then the verb leaves', async (t) => {
  const { host, port } = sandbox.database
  const proxy = await Proxy.listen({ host, port })
  t.after(() => proxy.close())
  const file = sandbox.writeConfig(
    { database: { ...sandbox.databaseSection(), port: proxy.port } },
    { file: 'tail.conf' },
  )
  const nid = await queue(sites[0], {
    sandbox_log: '40',
    sandbox_log_every_ms: '50',
    sandbox_log_stamp: '1',
    sandbox_until: 'end',
    sandbox_end: 'warning',
  })
  const tail = sandbox.followSkynet(['tail', String(nid), '-f', '--json', '-c', file])
  t.after(() => tail.kill())
  await tail.waitUntil(({ stderr }) => stderr.includes('The daemon does not run'), 'tail to be ready')
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  await tail.waitUntil(({ said }) => said.length > 4, 'the first lines')
  proxy.cut()
  await tail.waitUntil(({ stderr }) => stderr.includes('Waiting for it.\nThe database is back.\n'), 'the database back')
  sandbox.release('end')
  assert.deepEqual(await tail.exited, { code: 0, signal: null }, tail.stderr)
  const seen = seenBy(tail)
  const written = await sandbox.hostmaster.log(nid)
  const texts = seen.filter(({ source }) => source === 'log').map(({ text }) => text)
  assert.deepEqual(
    texts,
    written.map(({ message }) => message),
  )
  assert.equal(seen.filter(({ source }) => source === 'output').length, 40)
  assert.match(seen.at(-1)?.text ?? '', /^ended with warning after \d+ s$/)
  assert.equal(tail.stderr.split('Waiting for it.').length, 2, 'said once')
  await stopDaemon(daemon)
})

test('a tail that nobody reads any more ends, and one that is not to follow shows the end and leaves', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  const args = { sandbox_log: '400', sandbox_log_every_ms: '20', sandbox_log_stamp: '1' }
  const nid = await queue(sites[0], args)
  const tail = sandbox.followSkynet(['tail', '-f'])
  await tail.waitUntil(({ said }) => said.length > 2, 'the first lines')
  tail.stopListening()
  assert.deepEqual(await tail.exited, { code: 0, signal: null })

  const end = await sandbox.skynet(['tail', '-n', '2'], { TZ: 'UTC' })
  assert.equal(end.code, 0, end.stderr)
  const lines = end.stdout.trimEnd().split('\n')
  assert.equal(lines.length, 4, end.stdout)
  const head = String.raw`${nid} verify s0-\d+\.example\.com  `
  assert.match(lines[0] ?? '', new RegExp(String.raw`^\d\d:\d\d:\d\d  ${head}notice    Line \d+ of 400 at `))
  assert.match(lines[3] ?? '', new RegExp(`^ {8}  ${head}output    Line \\d+ of 400 at `))
  const [run] = sandbox.journal().filter((entry) => entry.event === 'start' && entry.nid === nid)
  assert.ok(run)
  process.kill(-run.pgid, 'SIGKILL')
  await sandbox.waitForStatus(nid, 2)
  const killed = await sandbox.skynet(['tail', String(nid), '-f', '-n', '1'])
  assert.match(killed.stdout, /error {5}Skynet: drush was ended by signal KILL[^]*skynet {4}ended with error\n$/)
  const none = await sandbox.skynet(['tail'])
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No task is being run.\n'])
  await stopDaemon(daemon)
})

test('on a terminal rows have the colour of their type, and none with NO_COLOR', async () => {
  const nid = await queue(sites[0], { sandbox_log: '1', sandbox_end: 'logged_error' })
  const daemon = await startLeader(sandbox)
  await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
  await stopDaemon(daemon)
  const { node, main } = sandbox.install
  const screenOf = async (command: string) => {
    const terminal = sandbox.terminal(command, { TERM: 'xterm' })
    assert.deepEqual(await terminal.exited, { code: 0, signal: null }, terminal.screen)
    return terminal.screen.replaceAll('\u001b', '␛')
  }
  const coloured = await screenOf(`${node} ${main} tail ${nid}`)
  assert.match(coloured, /␛\[31merror {3}␛\[39m {2}␛\[31m/)
  assert.match(coloured, /␛\[36mqueue {3}␛\[39m/)
  assert.doesNotMatch(await screenOf(`NO_COLOR=1 ${node} ${main} tail ${nid}`), /␛/)
})
