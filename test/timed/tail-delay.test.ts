import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { TailLine } from '../../src/cli/tail/tail-line.js'
import { configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { hasEnded, seenBy } from '../sandbox/tail-lines.js'

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

/**
 * How late this machine is by itself while `work` is done: the longest that a timer of ours was late and the database
 * took for nothing, together.
 */
async function lateness(work: () => Promise<unknown>): Promise<number> {
  let timer = 0
  let database = 0
  let isDone = false
  const measure = async () => {
    while (!isDone) {
      const before = performance.now()
      await delay(10)
      const between = performance.now()
      await sandbox.hostmaster.query('SELECT 1')
      timer = Math.max(timer, between - before - 10)
      database = Math.max(database, performance.now() - between)
    }
  }
  const measured = measure()
  try {
    await work()
  } finally {
    isDone = true
  }
  await measured
  return timer + database
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
