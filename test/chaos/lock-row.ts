import { setTimeout as delay } from 'node:timers/promises'
import { QUEUE_LOCK_ROW } from '../../src/hostmaster/queue-lock-row.js'
import type { Scenario } from './scenario.js'

const FAULTS = ['deleted', 'taken by another', 'expired', 'taken by another Skynet'] as const

export const lockRow: Scenario = {
  name: 'lock-row',
  fault: "Drupal's lock row deleted, taken by another, expired; while it is another's nothing is started",
  times: { short: 4, long: 32 },
  async run(world, { times, random }) {
    const { hostmaster } = world.sandbox
    await world.lead()
    const nids: number[] = []
    const claims = async () => {
      const rows = await hostmaster.query<{ name: string }>(
        "SELECT name FROM semaphore WHERE name LIKE 'skynet\\_run\\_%'",
      )
      return rows.map(({ name }) => name)
    }
    const set = (value: string, ahead: number) =>
      hostmaster.execute('REPLACE INTO semaphore (name, value, expire) VALUES (?, ?, UNIX_TIMESTAMP() + ?)', [
        QUEUE_LOCK_ROW,
        value,
        ahead,
      ])
    for (let number = 0; number < times; number += 1) {
      nids.push(...(await world.queue(random, 3, { ms: [0, 300] })))
      await delay(random.between(0, 300))
      switch (FAULTS[number % FAULTS.length]) {
        case 'deleted':
          await hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [QUEUE_LOCK_ROW])
          break
        case 'expired':
          await hostmaster.execute('UPDATE semaphore SET expire = UNIX_TIMESTAMP() - 10 WHERE name = ?', [
            QUEUE_LOCK_ROW,
          ])
          break
        case 'taken by another Skynet':
          await set('skynet:elsewhere:1', 100)
          break
        default: {
          await set('64f0c0ffee', 100)
          const before = await claims()
          await delay(random.between(200, 1_000))
          const started = (await claims()).filter((name) => !before.includes(name))
          if (started.length > 0) throw new Error(`Started while another held the lock row: ${started.join(', ')}`)
          // Some give it back, some die and let it expire.
          if (random.next() < 0.5) await hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [QUEUE_LOCK_ROW])
          else await set('64f0c0ffee', -1)
        }
      }
      await world.finished(nids)
    }
    return world.finding(`in turn ${FAULTS.join(', ')}`, times, nids)
  },
}
