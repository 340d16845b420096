import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { configure, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

let sandbox: Sandbox
let sites: number[]
let platform: number
let elsewhere: number

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  const { hostmaster } = sandbox
  const server = await hostmaster.server({})
  platform = await hostmaster.platform({ server })
  elsewhere = await hostmaster.site({
    platform: await hostmaster.platform({ server }),
    dbServer: server,
    uri: 'd.example.com',
  })
  sites = []
  for (const uri of ['a.example.com', 'b.example.com', 'c.example.com']) {
    sites.push(await hostmaster.site({ platform, dbServer: server, uri }))
  }
})
after(() => sandbox.close())

async function queue(object = 0, args: Record<string, string> = {}): Promise<number> {
  return (await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: args })).nid
}

async function says(args: string[]): Promise<string> {
  const { stdout, stderr, code } = await sandbox.skynet(args)
  assert.equal(code, 0, stderr)
  return stdout
}

test('plan, why and scale explain a queue while the daemon works on it, and start nothing themselves', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  const first = await queue(sites[0], { sandbox_hang: '1' })
  await sandbox.waitForJournal(({ event, nid }) => event === 'start' && nid === first)
  const behind = await queue(sites[0])
  const other = await queue(elsewhere)
  const wide = await queue(platform)
  await waitForStatusOf(sandbox, 'three waiting tasks', ({ waiting }) => waiting.count === 3)

  assert.match(await says(['why', String(first)]), /^It is running since .*, process \d+ \(run .*\)\.$/m)
  assert.match(
    await says(['why', String(behind)]),
    /^It waits behind verify task \d+ of a\.example\.com, which is running/,
  )
  assert.equal(await says(['why', String(other)]), 'It could start, but the only slot is taken.\n')
  const json = JSON.parse(await says(['why', '--json', String(other)])) as { nid: number; why: string }
  assertFitsSchema('why', json)
  assert.deepEqual(json, { nid: other, why: 'It could start, but the only slot is taken.' })

  interface PlanAnswer {
    slots: number
    running: number
    start: { nid: number }[]
    waiting: { nid: number; reason: { kind: string } }[]
    estimates: { slots: number }[]
  }
  const planned = JSON.parse(await says(['plan', '--slots', '4', '--json'])) as PlanAnswer
  assertFitsSchema('plan', planned)
  assert.equal(planned.running, 1)
  assert.deepEqual(
    planned.start.map(({ nid }) => nid),
    [other],
  )
  assert.deepEqual(
    new Map(planned.waiting.map(({ nid, reason }) => [nid, reason.kind])),
    new Map([
      [behind, 'behind-same-object'],
      [wide, 'waits-for-lock'],
    ]),
  )
  assert.deepEqual(
    planned.estimates.map(({ slots }) => slots),
    [1, 4],
  )
  const words = await says(['plan', '--slots', '4'])
  assert.match(words, /^Would start now: 1\n {2}\d+ {2}verify d\.example\.com$/m)
  assert.match(words, /^The whole queue with 4 slots: /m)
  assert.equal(sandbox.journal().filter(({ event }) => event === 'start').length, 1, 'nothing was started by asking')

  assert.match(await says(['scale', '2']), /^2 slots until the next restart\.$/m)
  await sandbox.waitForStatus(other, 1)
  assert.match(await says(['why', String(other)]), /^It was started at .* and ended with success, after 0 s$/m)
  assert.match(await says(['scale', '1']), /^1 slot until the next restart/)

  daemon.kill('SIGTERM')
  await daemon.exited
  assert.match(
    await says(['why', String(behind)]),
    /which is running on the same object\. The daemon does not run; this is what the database says\.$/m,
  )
  assert.match(await says(['plan']), /the daemon does not run/)
  const run = sandbox.journal().find(({ event, nid }) => event === 'start' && nid === first)
  assert.ok(run)
  process.kill(-run.pgid, 'SIGKILL')
})

test('concurrent_tasks takes effect while the daemon runs; when it is lowered, the running tasks end in peace', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  await waitForStatusOf(sandbox, 'an empty queue', ({ waiting, running }) => waiting.count + running.length === 0)
  configure(sandbox, { queue: { concurrent_tasks: 3 } })
  await daemon.waitForLog('configuration changed')
  const nids: number[] = []
  for (const site of sites) nids.push(await queue(site, { sandbox_ms: '1500' }))
  await sandbox.waitFor(
    () =>
      nids.filter((nid) => sandbox.journal().some((entry) => entry.event === 'start' && entry.nid === nid)).length >= 2,
    {
      what: 'two site verifies side by side: the limit of one platform',
    },
  )
  configure(sandbox)
  for (const nid of nids) await sandbox.waitForStatus(nid, [1], 20_000)
  const ours = sandbox.journal().filter(({ nid }) => nid !== undefined && nids.includes(nid))
  assert.equal(ours.filter(({ event }) => event === 'start').length, 3)
  assert.equal(ours.filter(({ event }) => event === 'end').length, 3, 'each of them ended by itself')
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.exited, { code: 0, signal: null })
})

test('a wrong number, a task that does not exist and a daemon that does not run are told apart', async () => {
  const wrong = await sandbox.skynet(['scale', 'many'])
  assert.deepEqual(
    [wrong.code, wrong.stderr],
    [2, 'skynet: “many” is not the number of slots: a whole number from 1 to 256.\n'],
  )
  const missing = await sandbox.skynet(['why', '999999'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^skynet: There is no task 999999\.\nA task is named by the nid of its node/)
  const down = await sandbox.skynet(['scale', '2'])
  assert.equal(down.code, 69)
  assert.match(down.stderr, /^skynet: The daemon is not running: nobody listens at .*\nStart it with: skynet queued/)
})
