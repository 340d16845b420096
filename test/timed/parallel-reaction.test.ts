import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { wake } from '../sandbox/demo-wake.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, readStatus, startLeader } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { buildWorld, type World } from '../sandbox/world.js'

const WAITING = 10_000
const TRIALS = 9

let sandbox: Sandbox
let world: World

before(async () => {
  sandbox = await Sandbox.create()
  world = await buildWorld(sandbox, { servers: 4, packed: 0, platforms: 13, sites: 101 })
})
after(() => sandbox.close())

/** Sites of a server. */
function sitesOf(server: number): number[] {
  const { sites, platforms } = world.topology
  return world.sites.filter((nid) => platforms.get(sites.get(nid)?.platform ?? 0)?.webServer === server)
}

/**
 * Milliseconds from the commit of a login-reset, which the wake socket tells of as Drupal does, to its child process:
 * the median of some.
 */
async function reaction(daemon: DaemonProcess, sites: readonly number[]): Promise<number> {
  const times: number[] = []
  for (let trial = 0; trial < TRIALS; trial++) {
    const object = sites[trial % sites.length] ?? 0
    const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'login-reset' })
    const committed = Date.now()
    await wake(sandbox.home)
    const started = (entry: { msg: string; nid?: unknown }) => entry.msg === 'task started' && entry.nid === nid
    const { time = '' } = await daemon.waitForLog(started, { timeoutMs: PATIENCE_MS, what: 'its start' })
    times.push(Date.parse(String(time)) - committed)
    const ended = (entry: { msg: string; nid?: unknown }) => entry.msg === 'task ended' && entry.nid === nid
    await daemon.waitForLog(ended, { timeoutMs: PATIENCE_MS, what: 'its end' })
    // What the end of this one makes the daemon do is not part of its reaction to the next.
    await delay(100 + trial * 20)
  }
  return times.sort((a, b) => a - b)[Math.floor(TRIALS / 2)] ?? Infinity
}

/** Milliseconds of processor that the daemon used up. */
function processor({ pid }: DaemonProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** The daemon's use of a processor while nothing happens, in per cent. */
async function idleLoad(daemon: DaemonProcess): Promise<number> {
  const [cpu, start] = [processor(daemon), performance.now()]
  await delay(3_000)
  return (100 * (processor(daemon) - cpu)) / (performance.now() - start)
}

test('with ten thousand waiting tasks a new interactive task is started within 50 ms', async (t) => {
  // As an operator has it who thinks of nothing: the default of half a second between two polls.
  configure(sandbox, { queue: { concurrent_tasks: 6, poll_interval: '500ms' } })
  const daemon = await startLeader(sandbox)
  const awake = () =>
    wake(sandbox.home).then(
      () => true,
      () => false,
    )
  await sandbox.waitFor(awake, { what: 'the wake socket', timeoutMs: PATIENCE_MS })
  const [server = 0, other = 0] = world.servers
  const empty = { ms: await reaction(daemon, sitesOf(other)), load: await idleLoad(daemon) }

  // A verify of one server goes on and on; ten thousand tasks on it wait, and there are slots.
  const args = { sandbox_until: 'verified' }
  const { nid } = await sandbox.hostmaster.queueTask({ object: server, type: 'verify', arguments: args })
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  const sites = sitesOf(server)
  const types = ['verify', 'backup', 'verify', 'restore', 'verify', 'install', 'flush_cache', 'verify']
  const specs = [...Array(WAITING).keys()].map((i) => {
    return { object: sites[i % sites.length] ?? 0, type: types[i % types.length] ?? 'verify' }
  })
  await queueTasks(sandbox.hostmaster, specs)
  const isKnown = async () => (await readStatus(sandbox)).waiting.count === WAITING
  await sandbox.waitFor(isKnown, { what: 'the daemon to know them', timeoutMs: PATIENCE_MS, everyMs: 200 })
  const full = { ms: await reaction(daemon, sitesOf(other)), load: await idleLoad(daemon) }
  t.diagnostic(`empty queue: ${empty.ms} ms, idle at ${empty.load.toFixed(1)} % of a processor`)
  t.diagnostic(`${WAITING} waiting: ${full.ms} ms, idle at ${full.load.toFixed(1)} % of a processor`)
  // On a machine that is busy with other things the empty queue is slower in the same way.
  assert.ok(full.ms < 50 || full.ms < 4 * empty.ms, `${full.ms} ms, with an empty queue ${empty.ms} ms`)
  await endDaemons(sandbox)
})
