import { spawn } from 'node:child_process'
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { RunRecord } from '../../src/runner/run-record.js'
import { sessionState } from '../../src/runner/run-session.js'
import { asAccount } from '../sandbox/account.js'
import { waitFor } from '../sandbox/wait-for.js'
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

const DAMAGES = [
  'truncated',
  'garbage',
  'empty',
  'of a newer version',
  'with the pid of another program',
  'without its child, whose pid is noted as that of another program',
] as const

/** A run that is followed is ended at once where its record, or its shell's mark, says that it has begun a day ago. */
const TIMEOUT = '12h'
const DAY = 86_400_000

export const recordsDamaged: Scenario = {
  name: 'records-damaged',
  fault:
    'records truncated, garbage, from a newer version, of a pid that now belongs to another program; the other program lives on',
  times: { short: 6, long: 54 },
  async run(world, { times, random }) {
    const { sandbox, records } = world
    world.configure({ drush: { timeout: TIMEOUT } })
    // Named as a drush is, so that nothing but its start time tells it from one.
    const bystander = spawn('/bin/sh', ['-c', 'sleep 3600; :', 'drush', 'provision-verify'], {
      ...asAccount(sandbox.folder.account),
      env: sandbox.environment,
      detached: true,
      stdio: 'ignore',
    })
    const isGone = () => bystander.exitCode !== null || bystander.signalCode !== null
    const nids: number[] = []
    let daemon = await world.lead()
    try {
      for (let number = 0; number < times; number += 1) {
        const [nid = 0] = await world.queue(random, 1, { ms: [300, 900] })
        nids.push(nid, ...(await world.queue(random, 1)))
        const begun = () =>
          records.in('runs').find((each) => each.nid === nid && existsSync(join(records.folder(each.run), 'started')))
        const record = await waitFor(begun, { what: `the child of task ${nid}`, timeoutMs: 60_000 })
        await world.kill(daemon)
        // Some are still at it when the next daemon comes, some have ended.
        const isOver = random.next() < 0.5
        if (isOver) await waitFor(() => hasEnded(world, record), { what: `the end of task ${nid}`, timeoutMs: 60_000 })
        damage(record, DAMAGES[number % DAMAGES.length] ?? 'garbage', isOver)
        daemon = await world.lead()
        await world.finished([nid])
        if (isGone())
          throw new Error(`Another program was killed: the record was ${DAMAGES[number % DAMAGES.length] ?? ''}.`)
      }
      await world.finished(nids)
    } finally {
      if (!isGone()) process.kill(-(bystander.pid ?? 0), 'SIGKILL')
    }
    return world.finding(`in turn ${DAMAGES.join('; ')}`, times, nids)

    function damage(record: RunRecord, how: (typeof DAMAGES)[number], isOver: boolean): void {
      const path = `home/config/skynet/state/runs/${record.run}`
      const write = (text: string, file = 'record.json') => sandbox.folder.writeFile(`${path}/${file}`, text, 0o600)
      const pid = bystander.pid ?? 0
      const began = Date.now() - DAY
      // It may have been settled in the very moment that its daemon was killed.
      if (!records.in('runs').some(({ run }) => run === record.run)) return
      const text = readFileSync(join(sandbox.folder.path, path, 'record.json'), 'utf8')
      switch (how) {
        case 'truncated':
          write(text.slice(0, random.between(1, text.length - 3)))
          break
        case 'garbage':
          write(Buffer.from(Array.from({ length: 400 }, () => random.between(0, 255))).toString('latin1'))
          break
        case 'empty':
          write('')
          break
        case 'of a newer version':
          write(JSON.stringify({ ...record, version: 2 }))
          break
        case 'with the pid of another program':
          write(JSON.stringify({ ...record, started_at: began, child: record.child && { ...record.child, pid } }))
          break
        case 'without its child, whose pid is noted as that of another program':
          write(JSON.stringify({ ...record, state: 'starting', started_at: began, child: null }))
          write(`${pid}\n`, 'started')
          // The run's own processes, if any live, are found by their shell; and of their age this mark is believed.
          if (isOver) utimesSync(join(sandbox.folder.path, path, 'started'), began / 1000, began / 1000)
      }
    }
  },
}

function hasEnded({ processes }: World, { child }: RunRecord): boolean {
  return !child || sessionState(processes, child, false).kind === 'empty'
}
