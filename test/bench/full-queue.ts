import { setTimeout as delay } from 'node:timers/promises'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import { wake } from '../sandbox/demo-wake.js'
import { readStatus, stopDaemon } from '../sandbox/leader.js'
import { PATIENCE_MS, awakeLeader, configureBench, type Bench } from './bench-sandbox.js'
import { cpuMs, servedTo } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, type Figure } from './figure.js'

const TYPES = ['verify', 'backup', 'flush_cache', 'login-reset']

/** Rows that a poll may read with so many waiting tasks: the overlap is counted once in a while, not with each poll. */
const ROWS = 4_000

/** A long queue behind slots that are all taken. Leaves the tasks behind. */
export async function measureFullQueue(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox, world } = bench
  const { hostmaster } = sandbox
  configureBench(sandbox, { poll_interval: '500ms', concurrent_tasks: 2 })
  const daemon = await awakeLeader(sandbox)
  const busy = world.sites.slice(0, 2).map((object) => {
    return { object, type: 'backup', arguments: { sandbox_until: 'full-queue' } }
  })
  const running = await queueTasks(hostmaster, busy)
  await wake(sandbox.home)
  // Until drush has saved its revision: the bulk's ids are not the server's, and would get into its way.
  for (const { nid } of running) await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
  const specs = [...Array(effort.waitingTasks).keys()].map((index) => {
    return { object: world.sites[index % world.sites.length] ?? 0, type: TYPES[index % TYPES.length] ?? '' }
  })
  await queueTasks(hostmaster, specs)
  await wake(sandbox.home)
  const areKnown = async () => (await readStatus(sandbox)).waiting.count === specs.length
  await sandbox.waitFor(areKnown, { what: 'the daemon to know them', timeoutMs: PATIENCE_MS, everyMs: 200 })
  // What it does when so many come at once, V8's collection of it included, is not what it does while they wait.
  await delay(effort.restSeconds * 1000)
  const [cpu, served, start] = [cpuMs(daemon.pid), await servedTo(hostmaster), performance.now()]
  await delay(effort.waitingSeconds * 1000)
  const minutes = (performance.now() - start) / 60_000
  const [cpuAfter, servedAfter] = [cpuMs(daemon.pid), await servedTo(hostmaster)]
  await stopDaemon(daemon)
  const statements = servedAfter.statements - served.statements
  sandbox.release('full-queue')
  return [
    atMost(`${specs.length} waiting, all slots busy: CPU a minute`, (cpuAfter - cpu) / minutes, {
      most: 500,
      unit: ' ms',
      note: `over ${effort.waitingSeconds} s`,
    }),
    atMost('the same: rows read a statement', (servedAfter.rowsRead - served.rowsRead) / statements, {
      most: ROWS,
      isCount: true,
    }),
  ]
}
