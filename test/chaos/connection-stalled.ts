import { setTimeout as delay } from 'node:timers/promises'
import { linesOf } from '../sandbox/leader.js'
import type { Direction } from '../sandbox/proxy.js'
import { waitFor } from '../sandbox/wait-for.js'
import { soon, SHORT_LIMITS } from './world.js'
import type { Scenario } from './scenario.js'

const DIRECTIONS: readonly Direction[] = ['toServer', 'toClient', 'both']

export const connectionStalled: Scenario = {
  name: 'connection-stalled',
  fault: 'a connection that stalls without closing: to the server, to the client, both',
  times: { short: 3, long: 24 },
  world: { proxy: true },
  async run(world, { times, random }) {
    const nids: number[] = []
    const daemon = await world.lead({ limits: SHORT_LIMITS, speed: 4 })
    for (let number = 0; number < times; number += 1) {
      nids.push(...(await world.queue(random, 3, { ms: [0, 400] })))
      await delay(random.between(0, 500))
      // A busy server may have kept it waiting just now: a stall within that outage would not be told again.
      const isServed = () => linesOf(daemon, NOT_USABLE).length === linesOf(daemon, 'database is back').length
      await waitFor(isServed, { what: 'the daemon to be served', timeoutMs: 60_000 })
      const noticed = linesOf(daemon, NOT_USABLE).length
      world.proxy.stall(DIRECTIONS[number % DIRECTIONS.length])
      // An idle daemon polls, so that every stall is noticed within the limit of a statement.
      const seen = await soon(() => linesOf(daemon, NOT_USABLE)[noticed], 20_000)
      if (!seen) throw new Error(`A stalled connection was not noticed.\n${daemon.lastWords()}`)
      // For half of them new connections stall for a while too.
      if (random.next() < 0.5) await delay(random.between(0, 2_000))
      world.proxy.resume()
      await world.finished(nids)
    }
    const cycle = DIRECTIONS.join(', ')
    return world.finding(`stalled ${times} times (${cycle} in turn) with tasks under way`, times, nids)
  },
}

const NOT_USABLE = 'database is not usable; waiting for it'
