import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import type { Scenario } from './scenario.js'

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
/** Most of them leave a daemon where it is; else the storm would only test starts. */
const DRAWN = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', ...SIGNALS, 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const

export const signalStorm: Scenario = {
  name: 'signal-storm',
  fault: 'TERM, INT, HUP, USR1, USR2 in random order',
  times: { short: 40, long: 500 },
  async run(world, { times, random }) {
    const nids: number[] = []
    let daemon = await world.lead()
    const counts = new Map<string, number>()
    for (let number = 0; number < times; number += 1) {
      if (number % 5 === 0) nids.push(...(await world.queue(random, 2, { ms: [0, 300] })))
      const signal = random.pick(DRAWN)
      daemon.kill(signal)
      counts.set(signal, (counts.get(signal) ?? 0) + 1)
      await delay(random.between(0, 60))
      if (signal === 'SIGTERM') daemon = await next(daemon)
      else if (signal === 'SIGINT') {
        // It waits for its tasks, unless it is told once more.
        if (random.next() < 0.5) daemon.kill('SIGINT')
        daemon = await next(daemon)
      }
    }
    await world.finished(nids)
    const did = SIGNALS.map((signal) => `${signal.slice(3)} ${counts.get(signal) ?? 0}`).join(', ')
    return world.finding(did, times, nids)

    async function next(leaving: DaemonProcess): Promise<DaemonProcess> {
      const { code, signal } = await leaving.exited
      if (code !== 0) throw new Error(`It left with ${code ?? signal ?? '?'}.\n${leaving.lastWords()}`)
      world.sandbox.daemons.splice(world.sandbox.daemons.indexOf(leaving), 1)
      return world.lead()
    }
  },
}
