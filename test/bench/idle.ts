import { setTimeout as delay } from 'node:timers/promises'
import { stopDaemon } from '../sandbox/leader.js'
import { awakeLeader, configureBench, type Bench } from './bench-sandbox.js'
import { connectionsOf, cpuMs, residentMb, sentStatements, servedTo } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, type Figure } from './figure.js'

/** What a daemon costs that has nothing to do. */
export async function measureIdle({ sandbox }: Bench, effort: Effort): Promise<Figure[]> {
  const { hostmaster } = sandbox
  configureBench(sandbox, { poll_interval: '500ms' })
  const daemon = await awakeLeader(sandbox)
  await delay(effort.restSeconds * 1000)
  const served = await servedTo(hostmaster)
  const [cpu, sent, start] = [cpuMs(daemon.pid), await sentStatements(hostmaster), performance.now()]
  await delay(effort.idleSeconds * 1000)
  const minutes = (performance.now() - start) / 60_000
  // The count of what was sent holds the question for itself.
  const [cpuAfter, sentAfter] = [cpuMs(daemon.pid), (await sentStatements(hostmaster)) - 1]
  const servedAfter = await servedTo(hostmaster)
  const inside = (servedAfter.statements - served.statements) / minutes
  const connections = await connectionsOf(hostmaster)
  const memory = residentMb(daemon.pid)
  await stopDaemon(daemon)
  return [
    atMost('idle: statements a minute', (sentAfter - sent) / minutes, {
      most: 150,
      isCount: true,
      note: `at 500 ms polling; the server counts ${inside.toFixed(0)} with what it does inside the long polls`,
    }),
    atMost('idle: connections', connections, { most: 2, isCount: true }),
    atMost('idle: CPU a minute', (cpuAfter - cpu) / minutes, {
      most: 100,
      unit: ' ms',
      note: `all threads; over ${effort.idleSeconds} s`,
    }),
    atMost('idle: resident memory', memory, { most: 80, unit: ' MB' }),
  ]
}
