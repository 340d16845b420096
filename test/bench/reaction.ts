import { setTimeout as delay } from 'node:timers/promises'
import { wake } from '../sandbox/demo-wake.js'
import { stopDaemon } from '../sandbox/leader.js'
import { PATIENCE_MS, awakeLeader, clock, configureBench, type Bench } from './bench-sandbox.js'
import type { Effort } from './effort.js'
import { atMost, quantile, range, seen, type Figure } from './figure.js'
import { LightDrush } from './light-drush.js'
import { daemonPhp, eachSecond, type Peer } from './peers.js'

const POLL_MS = 500

/** After so long without a task the daemon has the server look for it, in milliseconds. */
const REST_MS = 7_000

/** From the commit of a task to the moment that its drush runs, by drush's own clock. */
export async function measureReaction(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox } = bench
  configureBench(sandbox, { poll_interval: `${POLL_MS}ms` })
  const drush = await LightDrush.start(sandbox)
  const daemon = await awakeLeader(sandbox)
  const woken: number[] = []
  // The first ones find code that the engine has not yet compiled for good.
  for (let task = -5; task < effort.wokenTasks; task++) {
    const ms = await reaction(bench, drush, task, () => wake(sandbox.home))
    if (task >= 0) woken.push(ms)
    await delay(30)
  }
  const rested: number[] = []
  for (let task = 0; task < effort.restedTasks; task++) {
    await delay(REST_MS)
    rested.push(await reaction(bench, drush, task, () => wake(sandbox.home)))
  }
  const polled: number[] = []
  for (let task = 0; task < effort.polledTasks; task++) {
    // Evenly over the phases of the poll, whatever a round takes: steps of the golden ratio.
    await delay((task * 0.618_034 * POLL_MS) % POLL_MS)
    polled.push(await reaction(bench, drush, task, () => undefined))
  }
  await stopDaemon(daemon)
  const peers: Figure[] = []
  for (const [name, peer] of [
    ['each-second', eachSecond],
    ['daemon-php', daemonPhp],
  ] as const) {
    if (effort.peerReactions > 0) peers.push(await peerReaction(bench, drush, name, peer, effort.peerReactions))
  }
  drush.stop()
  return [
    atMost('committed → drush exists, woken: median', quantile(woken), { most: 10, unit: ' ms' }),
    atMost('the same: p99', quantile(woken, 0.99), { most: 50, unit: ' ms', note: `${woken.length} tasks` }),
    ...restedFigures(rested),
    atMost(`by polling alone, every ${POLL_MS} ms: median`, quantile(polled), { most: 270, unit: ' ms' }),
    atMost('a wake-up lost: at worst', Math.max(...polled), {
      most: POLL_MS + 50,
      unit: ' ms',
      note: `${polled.length} tasks, ${range(polled, ' ms')}; the interval, and a p99 of being woken`,
    }),
    ...peers,
  ]
}

function restedFigures(rested: number[]): Figure[] {
  if (rested.length === 0) return []
  const note = `${rested.length} tasks, ${range(rested, ' ms')}; code and caches are cold then`
  return [seen('woken from a rest at the server: median', quantile(rested), ' ms', note)]
}

async function peerReaction(bench: Bench, drush: LightDrush, name: string, peer: Peer, count: number): Promise<Figure> {
  let isDone = false
  const running = peer(bench.sandbox, () => isDone)
  const times: number[] = []
  for (let task = 0; task < count; task++) {
    await delay((task * 618) % 1_000)
    times.push(await reaction(bench, drush, task, () => undefined))
  }
  isDone = true
  await running
  return seen(
    `${name}: committed → drush exists, median`,
    quantile(times),
    ' ms',
    `${count} tasks, ${range(times, ' ms')}`,
  )
}

async function reaction(
  { sandbox, world }: Bench,
  drush: LightDrush,
  task: number,
  tell: () => unknown,
): Promise<number> {
  const object = world.sites[(task + 5) % world.sites.length] ?? 0
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'flush_cache' })
  const committed = clock()
  await tell()
  const found = () => drush.begun.find((one) => one.nid === nid)
  const { at } = await sandbox.waitFor(found, { what: `drush for ${nid}`, timeoutMs: PATIENCE_MS })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  return at - committed
}
