import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keep, readKept, resultsOf } from './kept-results.js'
import { Random } from './random.js'
import { isGood, resultsPage, type Result } from './results.js'
import type { Scenario } from './scenario.js'
import { SCENARIOS } from './scenarios.js'
import { World } from './world.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
    times: { type: 'string', multiple: true, default: [] },
    part: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    keep: { type: 'string' },
    short: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const names = SCENARIOS.map(({ name }) => name)
if (values.help || values.only?.some((name) => !names.includes(name))) {
  process.stderr.write(
    `npm run chaos -- [--seed N] [--only NAME]… [--times NAME=N]… [--part 0.5] [--jobs 2] [--keep FILE] [--short]\n` +
      `Names: ${names.join(', ')}\n` +
      'A run of all of them writes test/chaos/RESULTS.md, also with a part of the repetitions; others only print it.\n' +
      'With --keep, a run that was stopped goes on: what was good is kept in that file and not done again.\n',
  )
  process.exit(values.help ? 0 : 2)
}

const kept = values.keep === undefined ? undefined : readKept(values.keep)
const seed = kept?.seed ?? (values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed))
const started = performance.now()
const began = new Date(kept?.began ?? Date.now())
const seconds = () => (kept?.seconds ?? 0) + (performance.now() - started) / 1000
const sittings = (kept?.sittings ?? 0) + 1
const results = new Map<Scenario, Result>()
for (const result of kept ? resultsOf(kept) : []) results.set(result.scenario, result)
const page = () =>
  resultsPage(
    [...SCENARIOS].flatMap((scenario) => results.get(scenario) ?? []),
    { seed, began, seconds: seconds(), sittings },
  )
const isComplete = !values.only && !values.short
process.stderr.write(`seed ${seed}\n`)
const waiting = SCENARIOS.filter((scenario) => !values.only || values.only.includes(scenario.name)).filter(
  (scenario) => !results.has(scenario),
)
await Promise.all(Array.from({ length: Number(values.jobs) }, work))
process.stdout.write(page())
process.exit([...results.values()].every(isGood) ? 0 : 1)

/** Takes one scenario after the other, the last ones first: they take longest. Each has a world of its own. */
async function work(): Promise<void> {
  for (let scenario = waiting.pop(); scenario; scenario = waiting.pop()) {
    process.stderr.write(`${scenario.name} …\n`)
    const result = await runOne(scenario)
    results.set(scenario, result)
    process.stderr.write(`${scenario.name}: ${isGood(result) ? 'good' : 'BAD'} ${JSON.stringify(summary(result))}\n`)
    if (values.keep !== undefined) {
      const run = { seed, began: began.toISOString(), seconds: seconds(), sittings }
      keep(values.keep, run, [...results.values()].filter(isGood))
    }
    if (isComplete) writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), page())
  }
}

async function runOne(scenario: Scenario): Promise<Result> {
  const from = performance.now()
  const seconds = () => (performance.now() - from) / 1000
  let world: World | undefined
  try {
    world = await World.create(scenario.world)
    const whole = scenario.times[values.short ? 'short' : 'long']
    const part = Math.max(Math.min(whole, scenario.times.short), Math.round(whole * Number(values.part)))
    const set = values.times.find((each) => each.startsWith(`${scenario.name}=`))?.split('=')[1]
    const times = Number(set ?? part)
    const finding = await scenario.run(world, { times, random: new Random(seed, scenario.name) })
    await world.endDaemons()
    return { scenario, kind: 'found', finding, seconds: seconds() }
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { scenario, kind: 'failed', message, seconds: seconds() }
  } finally {
    await world?.close()
  }
}

function summary(result: Result): unknown {
  return result.kind === 'found' ? { ...result.finding, seconds: result.seconds } : result.message
}
