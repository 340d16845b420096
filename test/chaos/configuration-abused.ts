import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from './scenario.js'

const ABUSES = ['emptied', 'half written', 'unreadable', 'wrong', 'deleted', 'open to others', 'replaced'] as const

/** A hundred times a second. */
const REPLACE_EVERY = 10

export const configurationAbused: Scenario = {
  name: 'configuration-abused',
  fault: 'skynet.conf emptied, half written, unreadable, wrong, deleted, open to others, replaced 100 times a second',
  times: { short: 7, long: 105 },
  async run(world, { times, random }) {
    const { sandbox } = world
    const path = join(sandbox.configFolder, 'skynet.conf')
    const good = readFileSync(path, 'utf8')
    const write = (text: string, mode = 0o600) => sandbox.folder.writeFile('home/config/skynet/skynet.conf', text, mode)
    const daemon = await world.lead()
    const nids: number[] = []
    let replaced = 0
    for (let number = 0; number < times; number += 1) {
      const abuse = ABUSES[number % ABUSES.length]
      switch (abuse) {
        case 'emptied':
          write('')
          break
        case 'half written':
          // In the midst of the first section: what ends after one is whole, and says that the other sections have gone.
          write(good.slice(0, random.between(1, good.indexOf('[queue]') - 3)))
          break
        case 'unreadable':
          chmodSync(path, 0)
          break
        case 'wrong':
          write(good.replace(/^port = .*$/m, random.pick(['port = "many"', 'prot = "3306"', 'port = "99999"', '[[['])))
          break
        case 'deleted':
          rmSync(path)
          break
        case 'open to others':
          chmodSync(path, 0o644)
          break
        default:
          for (const end = performance.now() + random.between(300, 900); performance.now() < end; replaced += 1) {
            write(replaced % 2 === 0 ? good : `${good}\n# ${replaced}\n`)
            await delay(REPLACE_EVERY)
          }
      }
      // The last good one stays in force: work goes on while the file is bad.
      const during = await world.queue(random, 2, { ms: [0, 100] })
      nids.push(...during)
      await world.finished(during)
      write(good)
    }
    if (daemon.exit) throw new Error(`The daemon left.\n${daemon.lastWords()}`)
    await world.endDaemons({ but: ['configuration is bad; the last good one stays in force'] })
    return world.finding(`in turn ${ABUSES.join(', ')} (${replaced} replacements), with work under way`, times, nids)
  },
}
