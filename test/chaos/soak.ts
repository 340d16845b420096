import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

/** Tasks that wait at a time. */
const CHUNK = 100

/** How far resident memory may have grown since the first tenth. */
const TOLERANCE = 1.05

interface Measures {
  /** Resident memory, MiB. */
  memory: number
  files: number
  connections: number
}

export const soak: Scenario = {
  name: 'soak',
  fault:
    'soak: short tasks through one daemon; memory, open files and connections at the end are those after the first tenth (±5 %)',
  times: { short: 300, long: 10_000 },
  async run(world, { times, random }) {
    const daemon = await world.lead({ env: { SANDBOX_GC: 'yes', NODE_OPTIONS: '--expose-gc' } })
    const nids: number[] = []
    let first: Measures | undefined
    while (nids.length < times) {
      const chunk = await world.queue(random, Math.min(CHUNK, times - nids.length), { ms: [0, 0] })
      nids.push(...chunk)
      await world.finished(chunk)
      if (nids.length >= times / 10) first ??= await measure(world, daemon)
    }
    const last = await measure(world, daemon)
    if (!first) throw new Error('There was no first tenth.')
    const told = `after ${times / 10}: ${text(first)}; after ${times}: ${text(last)}`
    // A young heap still grows: what the short form can tell is whether files and connections stay.
    const isLarger = times >= 5_000 && last.memory > first.memory * TOLERANCE
    if (isLarger || last.files > first.files || last.connections > first.connections)
      throw new Error(`It grew: ${told}`)
    return world.finding(told, times, nids)
  },
}

/** The least that is seen in a few seconds of idleness, without what is garbage by then. */
async function measure({ sandbox }: World, daemon: DaemonProcess): Promise<Measures> {
  const { pid } = daemon
  const seen: Measures[] = []
  for (let look = 0; look < 6; look += 1) {
    daemon.kill('SIGWINCH')
    await delay(500)
    const [pages = 0] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ').slice(1).map(Number)
    const [row] = await sandbox.hostmaster.query<{ connections: number }>(
      "SELECT COUNT(*) AS connections FROM information_schema.PROCESSLIST WHERE user <> 'root' AND user <> 'system user'",
    )
    seen.push({
      memory: Math.round((pages * 4_096) / 2 ** 20),
      files: readdirSync(`/proc/${pid}/fd`).length,
      connections: row?.connections ?? 0,
    })
  }
  const least = (of: keyof Measures) => Math.min(...seen.map((measures) => measures[of]))
  return { memory: least('memory'), files: least('files'), connections: least('connections') }
}

function text({ memory, files, connections }: Measures): string {
  return `${memory} MiB, ${files} files, ${connections} connections`
}
