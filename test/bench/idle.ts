import { setTimeout as delay } from 'node:timers/promises'
import { stopDaemon } from '../sandbox/leader.js'
import { awakeLeader, configureBench, type Bench } from './bench-sandbox.js'
import { connectionsOf, cpuMs, residentMb, servedTo } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, type Figure } from './figure.js'

/** What a daemon costs that has nothing to do. */
export async function measureIdle({ sandbox }: Bench, effort: Effort): Promise<Figure[]> {
  const { hostmaster } = sandbox
  configureBench(sandbox, { poll_interval: '500ms' })
  const daemon = await awakeLeader(sandbox)
  await delay(effort.restSeconds * 1000)
  const [cpu, served, start] = [cpuMs(daemon.pid), await servedTo(hostmaster), performance.now()]
  await delay(effort.idleSeconds * 1000)
  const minutes = (performance.now() - start) / 60_000
  const [cpuAfter, servedAfter] = [cpuMs(daemon.pid), await servedTo(hostmaster)]
  const statements = servedAfter.statements - served.statements
  const connections = await connectionsOf(hostmaster)
  const memory = residentMb(daemon.pid)
  await stopDaemon(daemon)
  return [
    atMost('idle: statements a minute', statements / minutes, { most: 150, isCount: true, note: 'at 500 ms polling' }),
    atMost('idle: connections', connections, { most: 2, isCount: true }),
    atMost('idle: CPU a minute', (cpuAfter - cpu) / minutes, {
      most: 100,
      unit: ' ms',
      note: `all threads; over ${effort.idleSeconds} s`,
    }),
    atMost('idle: resident memory', memory, { most: 80, unit: ' MB' }),
  ]
}
