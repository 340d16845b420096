import { spawnSync } from 'node:child_process'
import { NODE_OPTIONS } from '../../src/config/node-options.js'
import { wake } from '../sandbox/demo-wake.js'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import { stopDaemon } from '../sandbox/leader.js'
import { asAccount } from '../sandbox/account.js'
import { PATIENCE_MS, awakeLeader, clock, configureBench, isSettled, type Bench } from './bench-sandbox.js'
import type { Effort } from './effort.js'
import { atMost, quantile, range, type Figure } from './figure.js'
import { LightDrush } from './light-drush.js'

/** How long the verbs take beside a Node that does nothing. */
export async function measureVerbs({ sandbox }: Bench, effort: Effort): Promise<Figure[]> {
  configureBench(sandbox, { poll_interval: '500ms' })
  const daemon = await awakeLeader(sandbox)
  const { node, main } = sandbox.install
  const commands = {
    nothing: ['-e', '0'],
    version: [...NODE_OPTIONS, main, '--version'],
    status: [...NODE_OPTIONS, main, 'status'],
  }
  const times = { nothing: [] as number[], version: [] as number[], status: [] as number[] }
  const options = { cwd: sandbox.home, env: sandbox.environment, ...asAccount(sandbox.folder.account) }
  for (let run = -1; run < effort.verbRuns; run++) {
    for (const [name, args] of Object.entries(commands)) {
      const start = performance.now()
      const { status } = spawnSync(node, args, options)
      if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`)
      if (run >= 0) times[name as keyof typeof times].push(performance.now() - start)
    }
  }
  await stopDaemon(daemon)
  const nothing = quantile(times.nothing)
  const note = (all: number[]) =>
    `${quantile(all).toFixed(0)} ms and ${nothing.toFixed(0)} ms, medians of ${all.length}`
  return [
    atMost('skynet --version ÷ node -e 0', quantile(times.version) / nothing, { most: 1.6, note: note(times.version) }),
    atMost('skynet status ÷ node -e 0', quantile(times.status) / nothing, { most: 2.5, note: note(times.status) }),
  ]
}

/** From the start of the daemon's process to the first drush for a task that waits. */
export async function measureStarts(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox, world } = bench
  configureBench(sandbox, { poll_interval: '500ms' })
  const drush = await LightDrush.start(sandbox)
  const times: number[] = []
  for (let start = 0; start < effort.starts; start++) {
    const { nid } = await sandbox.hostmaster.queueTask({ object: world.sites[start] ?? 0, type: 'flush_cache' })
    const before = clock()
    const daemon = sandbox.startDaemon()
    const found = () => drush.begun.find((begun) => begun.nid === nid)
    const { at } = await sandbox.waitFor(found, { what: 'its drush', timeoutMs: PATIENCE_MS })
    times.push(at - before)
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await stopDaemon(daemon)
  }
  drush.stop()
  return [
    atMost('daemon start → first drush for a waiting task: median', quantile(times), {
      most: 400,
      unit: ' ms',
      note: `${times.length} starts, ${range(times, ' ms')}`,
    }),
  ]
}

/** From the start of the daemon that follows one that was killed, to the moment that all runs are its own. */
export async function measureAdoption(bench: Bench, effort: Effort): Promise<Figure[]> {
  const { sandbox, world } = bench
  configureBench(sandbox, { poll_interval: '500ms', concurrent_tasks: 2 })
  const specs = world.sites.slice(0, 2).map((object) => {
    return { object, type: 'backup', arguments: { sandbox_until: 'adopted' } }
  })
  let daemon = await awakeLeader(sandbox)
  const tasks = await queueTasks(sandbox.hostmaster, specs)
  await wake(sandbox.home)
  for (const { nid } of tasks) {
    await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
  }
  const times: number[] = []
  for (let kill = 0; kill < effort.kills; kill++) {
    daemon.kill('SIGKILL')
    await daemon.exited
    const before = clock()
    daemon = sandbox.startDaemon()
    const next = daemon
    const adopted = () => {
      const lines = next.logs.filter(({ msg }) => msg === 'run adopted')
      return lines.length === tasks.length && lines
    }
    const lines = await sandbox.waitFor(adopted, { what: 'all runs to be adopted', timeoutMs: PATIENCE_MS })
    times.push(Math.max(...lines.map(({ time }) => Date.parse(String(time)))) - before)
  }
  sandbox.release('adopted')
  for (const { nid } of tasks) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  // Else the next daemon adopts them, and is not idle when it is measured.
  await sandbox.waitFor(() => isSettled(sandbox), { what: 'all runs to be settled', timeoutMs: PATIENCE_MS })
  await stopDaemon(daemon)
  return [
    atMost('restart after kill -9 → adoption complete: median', quantile(times), {
      most: 500,
      unit: ' ms',
      note: `${times.length} kills, ${range(times, ' ms')}`,
    }),
  ]
}
