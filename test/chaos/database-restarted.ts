import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess, LogEntry } from '../sandbox/daemon-process.js'
import { linesOf } from '../sandbox/leader.js'
import { waitFor } from '../sandbox/wait-for.js'
import type { Random } from './random.js'
import type { Scenario } from './scenario.js'
import { SHORT_LIMITS, type World } from './world.js'

/** What the daemon is doing when the server goes. */
const STATES = ['idle', 'connecting', 'starting a run', 'running', 'settling', 'standing by'] as const

const FAST = 60

export const databaseRestarted: Scenario = {
  name: 'database-restarted',
  fault: 'MariaDB stopped or killed (-9) in every state of the daemon, and started again; once away for ten minutes',
  times: { short: 6, long: 54 },
  async run(world, { times, random }) {
    const { database } = world.sandbox
    const nids: number[] = []
    const start = { limits: SHORT_LIMITS, speed: 10 }
    let leader = await world.lead(start)
    let standby: DaemonProcess | undefined
    for (let number = 0; number < times; number += 1) {
      const state = STATES[number % STATES.length] ?? 'idle'
      if (state === 'standing by' && !standby) {
        standby = world.start(start)
        // After an outage the new one may be the first to get the lead.
        const settled = ({ msg }: LogEntry) => msg === 'standing by; another daemon leads' || msg === 'leading'
        await standby.waitForLog(settled, { timeoutMs: 30_000 })
      }
      nids.push(...(await world.queue(random, state === 'idle' ? 0 : 2, { ms: [0, 500] })))
      await comes(world, random, state)
      await (random.next() < 0.5 ? database.kill() : database.stop())
      await delay(random.between(0, 700))
      await database.start()
      if (state === 'connecting') {
        await delay(random.between(0, 60))
        await database.kill()
        await database.start()
      }
      await world.finished(nids)
    }
    if (standby) await world.kill(standby, 'SIGTERM')
    await oneLineEach(leader)
    await world.kill(leader, 'SIGTERM')

    // Ten minutes, by a clock that makes them ten seconds; in the short form one of them.
    const minutes = times < 50 ? 1 : 10
    leader = await world.lead({ limits: SHORT_LIMITS, speed: FAST })
    nids.push(...(await world.queue(random, 4, { ms: [0, 300] })))
    await delay(random.between(0, 300))
    await database.stop()
    await delay((minutes * 60_000) / FAST)
    await database.start()
    await world.finished(nids)
    await oneLineEach(leader)
    const did = `${times} times in turn ${STATES.join(', ')}; then away for ${minutes} min (accelerated)`
    return world.finding(did, times + 1, nids, { mayFail: true })
  },
}

async function comes(world: World, random: Random, state: (typeof STATES)[number]): Promise<void> {
  switch (state) {
    case 'idle':
    case 'connecting':
      return
    case 'starting a run':
      await world.nextRun(3_000)
      await delay(random.between(0, 10))
      return
    case 'running':
    case 'standing by':
      await delay(random.between(0, 400))
      return
    case 'settling':
      await world.next('end', 3_000)
      await delay(random.between(0, 40))
  }
}

/** Every outage that began has ended, also the last one: tasks may all be done before the daemon is connected again. */
async function oneLineEach(daemon: DaemonProcess): Promise<void> {
  const begun = () => linesOf(daemon, 'database is not usable; waiting for it').length
  const ended = () => linesOf(daemon, 'database is back').length
  await waitFor(() => begun() === ended(), {
    what: 'an end of every outage',
    timeoutMs: 30_000,
    lastSeen: () => `${begun()} began and ${ended()} ended. ${daemon.lastWords(40)}`,
  })
}
