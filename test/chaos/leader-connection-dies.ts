import { setTimeout as delay } from 'node:timers/promises'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import type { Scenario } from './scenario.js'
import { SHORT_LIMITS } from './world.js'

/** What dies in the moment after a run's record and before its child. */
const DEATHS = ['the connection of the lock', 'all, the claim not sent', 'all, the claim not answered', 'all'] as const

export const leaderConnectionDies: Scenario = {
  name: 'leader-connection-dies',
  fault: "the leader's connection dies while it is starting a run",
  times: { short: 4, long: 24 },
  world: { proxy: true },
  async run(world, { times, random }) {
    const { hostmaster } = world.sandbox
    const lock = leaderLockName(hostmaster.credentials.db)
    const nids: number[] = []
    await world.lead({ limits: SHORT_LIMITS, speed: 4 })
    for (let number = 0; number < times; number += 1) {
      const death = DEATHS[number % DEATHS.length] ?? 'all'
      const starting = world.nextRun(10_000)
      nids.push(...(await world.queue(random, 1, { ms: [0, 300] })))
      // Most die before the claim is even sent; those that are held up in the proxy die in the middle of it.
      if (death === 'all, the claim not sent' || death === 'all, the claim not answered') {
        const direction = death === 'all, the claim not sent' ? 'toServer' : 'toClient'
        await starting
        world.proxy.stall(direction)
        await delay(random.between(0, 30))
        world.proxy.cut()
        world.proxy.resume()
      } else if (death === 'all') {
        await starting
        await delay(random.between(0, 3))
        world.proxy.cut()
      } else {
        const [holder] = await hostmaster.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [lock])
        await starting
        if (holder?.id) await hostmaster.execute(`KILL ${holder.id}`).catch(() => undefined)
      }
      await world.finished(nids)
    }
    return world.finding(`in turn: ${DEATHS.join('; ')}`, times, nids)
  },
}
