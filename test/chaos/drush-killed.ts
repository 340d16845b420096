import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../sandbox/wait-for.js'
import type { Scenario } from './scenario.js'

const VICTIMS = ['main process', 'backend', 'group'] as const
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const

export const drushKilled: Scenario = {
  name: 'drush-killed',
  fault: 'drush killed: main process, backend, whole group; TERM, INT, HUP, KILL',
  times: { short: 12, long: 108 },
  async run(world, { times, random }) {
    await world.lead()
    const nids: number[] = []
    const counts = new Map<string, number>()
    const kills: Promise<void>[] = []
    for (let number = 0; number < times; number += 1) {
      const victim = VICTIMS[number % VICTIMS.length] ?? 'group'
      const signal = SIGNALS[Math.floor(number / VICTIMS.length) % SIGNALS.length] ?? 'SIGKILL'
      const backend = String(random.between(300, 700))
      const [nid = 0] = await world.queue(random, 1, { ms: [0, 600], more: { sandbox_backend_ms: backend } })
      nids.push(nid)
      kills.push(
        killWhenItRuns(nid, victim, signal, random.between(0, 250)).then((isKilled) => {
          if (isKilled) counts.set(victim, (counts.get(victim) ?? 0) + 1)
        }),
      )
      // Not more at a time than the daemon has slots for, or waiting for them takes all of the time.
      if (kills.length % 8 === 0) await Promise.all(kills)
    }
    await Promise.all(kills)
    await world.finished(nids)
    const done = [...counts.values()].reduce((sum, count) => sum + count, 0)
    const did = [...counts].map(([victim, count]) => `${victim} ${count}`).join(', ')
    return world.finding(did, done, nids, { mayFail: true })

    async function killWhenItRuns(nid: number, victim: string, signal: NodeJS.Signals, ms: number): Promise<boolean> {
      const event = victim === 'backend' ? 'backend-start' : 'start'
      const { sandbox } = world
      const look = () => sandbox.journalFile.of(event, nid)[0]
      const entry = await waitFor(look, { what: `${event} of task ${nid}`, timeoutMs: 90_000 })
      await delay(ms)
      try {
        process.kill(victim === 'group' ? -entry.pgid : entry.pid, signal)
        return true
      } catch {
        // It was quicker than us.
        return false
      }
    }
  },
}
