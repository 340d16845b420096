import { existsSync, statSync } from 'node:fs'
import type { Scenario } from './scenario.js'

/** `[state] output_limit` for the flood, which is many times that. */
const OUTPUT_LIMIT = 262_144

/** What a task does, and whether it can only end red. */
const NASTY: readonly { what: string; more: Record<string, string>; isEnded?: true }[] = [
  { what: 'hangs', more: { sandbox_hang: '1' }, isEnded: true },
  { what: 'ignores TERM', more: { sandbox_hang: '1', sandbox_ignore_term: '1' }, isEnded: true },
  { what: 'leaves a provision behind', more: { sandbox_outlive_ms: '700' } },
  { what: 'leaves another program behind', more: { sandbox_outlive_ms: '700', sandbox_outlive_as: 'sleep' } },
  { what: 'closes its output', more: { sandbox_close_output: '1', sandbox_ms: '300' } },
  { what: 'floods its output', more: { sandbox_print_mb: '6', sandbox_ms: '200' } },
  { what: 'prints what is no text', more: { sandbox_print_bytes: '1' } },
]

/** TERM comes when a run has taken this long, KILL 30 s later; by a clock that is so much faster. */
const TIMEOUT = '40s'
const SPEED = 20

export const nastyTasks: Scenario = {
  name: 'nasty-tasks',
  fault: 'a task that hangs, ignores TERM, leaves a child that outlives it, closes its output, floods it',
  times: { short: NASTY.length, long: NASTY.length * 4 },
  async run(world, { times, random }) {
    world.configure({ state: { output_limit: OUTPUT_LIMIT } })
    const daemon = await world.lead()
    const good: number[] = []
    for (let number = 0; number < times; number += 1) {
      const { more, isEnded } = NASTY[number % NASTY.length] ?? {}
      if (isEnded) continue
      // One behind it on the same object must wait for all that it leaves behind.
      good.push(...(await world.queue(random, 1, { more: more ?? {} })), ...(await world.queue(random, 2)))
    }
    await world.finished(good)
    for (const { run } of world.records.in('history')) {
      const output = `${world.records.folder(run, 'history')}/output`
      const size = existsSync(output) ? statSync(output).size : 0
      if (size > OUTPUT_LIMIT * 2) throw new Error(`An output of ${size} bytes was kept; the limit is ${OUTPUT_LIMIT}.`)
    }
    await world.kill(daemon, 'SIGTERM')

    // Those that never end by themselves, with a limit for them.
    world.configure({ drush: { timeout: TIMEOUT } })
    await world.lead({ speed: SPEED })
    const ended: number[] = []
    for (let number = 0; number < times; number += 1) {
      const { more, isEnded } = NASTY[number % NASTY.length] ?? {}
      if (isEnded) ended.push(...(await world.queue(random, 1, { more: more ?? {} })))
    }
    await world.finished(ended)
    const red = [...(await world.statuses(ended)).values()].every((status) => status === 2)
    if (!red) throw new Error('A task that was ended because it took too long is not red.')
    const strict = await world.finding(NASTY.map(({ what }) => what).join(', '), times, good)
    const { tasks, lost, doubled } = await world.finding('', times, ended, { mayFail: true })
    return { ...strict, tasks: strict.tasks + tasks, lost: strict.lost + lost, doubled: strict.doubled + doubled }
  },
}
