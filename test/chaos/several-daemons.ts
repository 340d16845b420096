import { setTimeout as delay } from 'node:timers/promises'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import type { Scenario } from './scenario.js'
import { SHORT_LIMITS } from './world.js'

/** The third one has another state directory, as one on another machine would. */
const PLACES = [{}, {}, { SKYNET_STATE_DIR: 'state2', SKYNET_WAKE_SOCKET: 'wake2' }] as const

export const severalDaemons: Scenario = {
  name: 'several-daemons',
  fault: 'two and three daemons on one database, killed and frozen (STOP, CONT); frozen ones lose the lock meanwhile',
  times: { short: 6, long: 66 },
  async run(world, { times, random }) {
    const { sandbox } = world
    const { hostmaster } = sandbox
    const lock = leaderLockName(hostmaster.credentials.db)
    const start = (place: number) => {
      const { SKYNET_STATE_DIR: dir, SKYNET_WAKE_SOCKET: wake } = { ...PLACES[place] } as Record<string, string>
      const env =
        dir && wake
          ? { SKYNET_STATE_DIR: `${sandbox.home}/${dir}`, SKYNET_WAKE_SOCKET: `${sandbox.home}/${wake}/s` }
          : {}
      return world.start({ limits: SHORT_LIMITS, speed: 4, env })
    }
    const daemons: DaemonProcess[] = [start(0), start(1)]
    const nids: number[] = []
    const counts = { killed: 0, frozen: 0, 'frozen and robbed of the lock': 0 }
    for (let number = 0; number < times; number += 1) {
      // The second half is with three.
      if (number === Math.floor(times / 2)) daemons.push(start(2))
      nids.push(...(await world.queue(random, 3, { ms: [0, 400] })))
      await delay(random.between(0, 600))
      const place = random.between(0, daemons.length - 1)
      const daemon = daemons[place]
      if (!daemon) continue
      if (number % 3 === 0) {
        await world.kill(daemon)
        daemons[place] = start(place)
        counts.killed += 1
        continue
      }
      daemon.kill('SIGSTOP')
      if (number % 3 === 1) counts.frozen += 1
      else {
        // What the server does by itself to a connection that was silent for half a minute.
        const [holder] = await hostmaster.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [lock])
        if (holder?.id) await hostmaster.execute(`KILL ${holder.id}`).catch(() => undefined)
        counts['frozen and robbed of the lock'] += 1
      }
      await delay(random.between(50, 1_500))
      daemon.kill('SIGCONT')
    }
    await world.finished(nids)
    const did = Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ')
    return world.finding(did, times, nids)
  },
}
