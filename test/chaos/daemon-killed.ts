import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.js'
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

const TASKS_PER_KILL = 2.5

/** When a daemon is killed; each of them has a time within it drawn besides. */
const MOMENTS = ['at any time', 'within the first 50 ms of a run', 'while a run is being settled'] as const

export const daemonKilled: Scenario = {
  name: 'daemon-killed',
  fault: 'daemon killed (-9) and started again',
  times: { short: 9, long: 200 },
  async run(world, { times, random }) {
    const nids: number[] = []
    const counts = new Map<string, number>(MOMENTS.map((moment) => [moment, 0]))
    for (let kill = 0; kill < times; kill += 1) {
      const wanted = Math.round((kill + 1) * TASKS_PER_KILL) - nids.length
      nids.push(...(await world.queue(random, wanted, { ms: [0, 400] })))
      const daemon = world.start()
      const moment = MOMENTS[kill % MOMENTS.length] ?? 'at any time'
      const met = await comes(world, random, moment)
      await world.kill(daemon)
      const happened = met ? moment : 'at any time'
      counts.set(happened, (counts.get(happened) ?? 0) + 1)
      world.sandbox.daemons.splice(world.sandbox.daemons.indexOf(daemon), 1)
    }
    await world.lead()
    await world.finished(nids)
    const did = [...counts].map(([moment, count]) => `${count} ${moment}`).join(', ')
    return world.finding(did, times, nids)
  },
}

/** @returns whether the moment came; else it was any time. */
async function comes(world: World, random: Random, moment: (typeof MOMENTS)[number]): Promise<boolean> {
  switch (moment) {
    case 'at any time':
      await delay(random.between(0, 1_500))
      return true
    case 'within the first 50 ms of a run': {
      const run = await world.nextRun(4_000)
      await delay(random.between(0, 50))
      return run !== undefined
    }
    case 'while a run is being settled': {
      const end = await world.next('end', 4_000)
      await delay(random.between(0, 60))
      return end !== undefined
    }
  }
}
