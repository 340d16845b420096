import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from './scenario.js'

const HOUR = 3_600_000

export const clockJumps: Scenario = {
  name: 'clock-jumps',
  fault: 'the clock set an hour back and forth (of the daemon, through its injectable clock)',
  times: { short: 4, long: 16 },
  async run(world, { times, random }) {
    const { folder, home } = world.sandbox
    const set = (ms: number) => folder.writeFile('home/clock', String(ms))
    set(0)
    const start = { env: { SANDBOX_CLOCK_SET: `${home}/clock` } }
    let daemon = await world.lead(start)
    const nids: number[] = []
    let jump = 0
    for (let number = 0; number < times; number += 1) {
      nids.push(...(await world.queue(random, 3, { ms: [0, 500] })))
      await delay(random.between(0, 600))
      jump = jump === 0 ? random.pick([-HOUR, HOUR]) : 0
      set(jump)
      // Now and then the successor of a daemon finds another time than its predecessor left.
      if (number % 4 === 3) {
        await world.kill(daemon)
        daemon = await world.lead(start)
      }
      await world.finished(nids)
    }
    return world.finding('an hour back or forth and back again, with tasks under way', times, nids)
  },
}
