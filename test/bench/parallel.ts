/**
 * What the daemon costs where nothing has to wait for anything: 200 tasks on distinct objects with four slots, against
 * `xargs -P 4` over the same drush and tasks. Pairs are interleaved, so that a busy machine is as busy for both.
 *
 *   node --import tsx test/bench/parallel.ts [--tasks 200] [--slots 4] [--pairs 5] [--ms 300]
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { queueTasks } from '../sandbox/bulk-tasks.js'
import { wake } from '../sandbox/demo-wake.js'
import { configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { buildWorld, type World } from '../sandbox/world.js'

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '200' },
    slots: { type: 'string', default: '4' },
    pairs: { type: 'string', default: '5' },
    /** How long each task lasts at least, as drush's work. */
    ms: { type: 'string', default: '300' },
  },
})
const [count, slots, pairs, ms] = [values.tasks, values.slots, values.pairs, values.ms].map(Number) as [
  number,
  number,
  number,
  number,
]
const PATIENCE_MS = 600_000

/** Queues one verify of each of the sites. @returns their nids. */
async function queue(sandbox: Sandbox, { sites }: World): Promise<number[]> {
  const specs = sites.slice(0, count).map((object) => {
    return { object, type: 'verify', arguments: { sandbox_ms: String(ms) } }
  })
  return (await queueTasks(sandbox.hostmaster, specs)).map(({ nid }) => nid)
}

/** Seconds from `start` (ms since 1970) to the end of the last of these tasks, by drush's own account. */
async function seconds(sandbox: Sandbox, nids: readonly number[], start: number): Promise<number> {
  const wanted = new Set(nids)
  const ends = () => sandbox.journalFile.of('end').filter(({ nid = 0 }) => wanted.has(nid))
  await sandbox.waitFor(() => ends().length === nids.length, { what: 'all ends', timeoutMs: PATIENCE_MS, everyMs: 200 })
  return Math.max(...ends().map(({ time }) => time)) - start / 1000
}

async function withSkynet(sandbox: Sandbox, world: World): Promise<{ wall: number; cpu: number }> {
  const daemon = await startLeader(sandbox)
  const isAwake = () =>
    wake(sandbox.home).then(
      () => true,
      () => false,
    )
  await sandbox.waitFor(isAwake, { what: 'the wake socket' })
  const before = cpuSeconds(daemon.pid)
  const nids = await queue(sandbox, world)
  const start = Date.now()
  await wake(sandbox.home)
  const wall = await seconds(sandbox, nids, start)
  const cpu = cpuSeconds(daemon.pid) - before
  await stopDaemon(daemon)
  return { wall, cpu }
}

async function withXargs(sandbox: Sandbox, world: World): Promise<number> {
  const nids = await queue(sandbox, world)
  const list = sandbox.folder.writeFile('nids', nids.join('\n') + '\n')
  const start = Date.now()
  await sandbox.run('xargs', ['-a', list, '-P', String(slots), '-n', '1', 'drush', '@hostmaster', 'hosting-task'])
  return seconds(sandbox, nids, start)
}

/** Of the daemon itself, without its children. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

await using sandbox = await Sandbox.create()
// So many servers and platforms that no limit of theirs is met.
const world = await buildWorld(sandbox, { servers: 15, packed: 0, platforms: 64, sites: count + 1 })
configure(sandbox, { queue: { concurrent_tasks: slots, poll_interval: '500ms' } })
const ratios: number[] = []
for (let pair = 1; pair <= pairs; pair++) {
  const isFirst = pair % 2 === 1
  const early = isFirst ? await withXargs(sandbox, world) : undefined
  const { wall, cpu } = await withSkynet(sandbox, world)
  const xargs = early ?? (await withXargs(sandbox, world))
  ratios.push(wall / xargs)
  console.log(
    `pair ${pair}: xargs ${xargs.toFixed(2)} s, skynet ${wall.toFixed(2)} s (its own CPU ${((cpu * 1000) / count).toFixed(1)} ms a task), ratio ${(wall / xargs).toFixed(3)}`,
  )
}
ratios.sort((a, b) => a - b)
const median = ratios[Math.floor(ratios.length / 2)] ?? Number.NaN
console.log(
  `${count} tasks of ${ms} ms, ${slots} slots: median ratio ${median.toFixed(3)} (${ratios[0]?.toFixed(3)} to ${ratios.at(-1)?.toFixed(3)})`,
)
