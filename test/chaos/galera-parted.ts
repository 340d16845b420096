import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { QUEUE_LOCK_ROW } from '../../src/hostmaster/queue-lock-row.js'
import { claimName } from '../../src/hostmaster/run-queries.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { GaleraCluster, type Cut, type GaleraNode } from '../sandbox/galera-cluster.js'
import type { Hostmaster } from '../sandbox/hostmaster.js'
import { RunRecords } from '../sandbox/run-records.js'
import { waitFor } from '../sandbox/wait-for.js'
import type { Random } from './random.js'
import type { Scenario } from './scenario.js'
import { SHORT_LIMITS } from './world.js'

const CUTS: readonly Cut[] = ['cut off', 'frozen', 'killed']

/** How long a node may take to notice that it is alone, and a daemon to take the queue over. */
const PATIENCE = 60_000

/**
 * Each node has a daemon and a drush of its own, as on two machines. User locks are a node's own, so that both daemons
 * lead: the lock row decides between them, and in the end the claim does.
 */
export const galeraParted: Scenario = {
  name: 'galera',
  fault: 'two MariaDB nodes with Galera, each with a daemon and a drush: nodes cut off, frozen, killed, and rejoined',
  times: { short: 2, long: 12 },
  world: {},
  async run(world, { times, random }) {
    const cluster = await GaleraCluster.of(world.sandbox)
    const [first, second] = cluster.nodes
    const queue = { concurrent_tasks: 4, poll_interval: '50ms', max_load: 1000 }
    const home = world.sandbox.addHome('home2', second.hostmaster, { queue })
    world.recordsElsewhere = [new RunRecords(world.sandbox, `${home}/config/skynet/state`)]
    const daemons = new Map<GaleraNode, DaemonProcess>([
      [first, await world.lead({ limits: SHORT_LIMITS })],
      [second, await world.lead({ limits: SHORT_LIMITS, env: { HOME: home } })],
    ])
    const nids: number[] = []
    const counts = { handed: 0, 'taken over': 0 }
    for (let number = 0; number < times; number += 1) {
      const how = CUTS[number % CUTS.length] ?? 'cut off'
      const node = random.pick(cluster.nodes)
      const other = node === first ? second : first
      const claimant = daemons.get(other)?.pid ?? 0
      await claimsOnce(cluster, number)
      nids.push(...(await queueOn(other.hostmaster, world.sites, random, 6)))
      // The row goes to and fro, as between daemons that hold each other for dead: only the claim is left to decide.
      const hands = random.between(5, 6)
      for (let hand = 0; hand < hands; hand += 1) {
        const pid = daemons.get(hand % 2 === 0 ? node : other)?.pid ?? 0
        await giveRowTo(other.hostmaster, pid)
        counts.handed += 1
        await delay(random.between(0, 60))
      }
      await cluster.part(node, how)
      if (how === 'cut off') await commitsNothing(cluster, node)
      await cluster.goesOn(other)
      nids.push(...(await queueOn(other.hostmaster, world.sites, random, 2)))
      if ((await holderOf(other.hostmaster)) !== claimant) {
        // As two minutes later.
        await other.hostmaster.execute(EXPIRE, [QUEUE_LOCK_ROW])
        const isTaken = async () => (await holderOf(other.hostmaster)) === claimant
        await waitFor(isTaken, { what: "the other node's daemon to take the queue over", timeoutMs: PATIENCE })
        counts['taken over'] += 1
      }
      await delay(random.between(0, 1_000))
      await cluster.rejoin(node, how)
      await world.finished(nids)
    }
    const did =
      `in turn ${CUTS.join(', ')}, either node; the lock row handed to and fro ${counts.handed} times, ` +
      `taken over from the parted daemon ${counts['taken over']} times`
    const finding = await world.finding(did, times, nids, { mayFail: true })
    await world.endDaemons()
    world.recordsElsewhere = []
    return finding
  },
}

const EXPIRE = 'UPDATE semaphore SET expire = UNIX_TIMESTAMP() - 1 WHERE name = ?'
const CLAIM = "INSERT INTO semaphore (name, value, expire) VALUES (?, 'a test', 4102444800)"

async function queueOn(hostmaster: Hostmaster, sites: readonly number[], random: Random, count: number) {
  const nids: number[] = []
  for (let number = 0; number < count; number += 1) {
    const sandbox_ms = String(random.between(0, 400))
    const task = { object: random.pick(sites), type: 'verify', arguments: { sandbox_ms, sandbox_log: '1' } }
    nids.push((await hostmaster.queueTask(task)).nid)
  }
  return nids
}

/** Process of the daemon that the lock row names; 0: none. @throws while the node serves nobody. */
async function holderOf(hostmaster: Hostmaster): Promise<number | 'nobody'> {
  const rows = await hostmaster.query<{ value: string }>('SELECT value FROM semaphore WHERE name = ?', [QUEUE_LOCK_ROW])
  return Number(rows[0]?.value.split(':').at(-1)) || 'nobody'
}

async function giveRowTo(hostmaster: Hostmaster, pid: number): Promise<void> {
  // A daemon may write it in the same moment, on the other node.
  await hostmaster
    .execute('UPDATE semaphore SET value = ? WHERE name = ?', [`skynet:${hostname()}:${pid}`, QUEUE_LOCK_ROW])
    .catch(() => undefined)
}

/** Of two claims of one queueing, made on both nodes in the same moment, one is granted. */
async function claimsOnce({ nodes }: GaleraCluster, number: number): Promise<void> {
  const name = claimName(2_000_000_000 + number)
  const claims = await Promise.allSettled(nodes.map(({ hostmaster }) => hostmaster.execute(CLAIM, [name])))
  const granted = claims.filter(({ status }) => status === 'fulfilled').length
  if (granted !== 1) throw new Error(`Of two claims on two nodes ${granted} were granted: ${JSON.stringify(claims)}`)
  await nodes[0].hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [name])
}

/** A node that has noticed that it is alone takes no claim. */
async function commitsNothing(cluster: GaleraCluster, node: GaleraNode): Promise<void> {
  await cluster.parted(node)
  const claim = node.hostmaster.execute(CLAIM, [claimName(2_147_483_647)])
  const failed = await claim.then(
    () => false,
    () => true,
  )
  if (!failed) throw new Error('A node that was cut off has taken a claim.')
}
