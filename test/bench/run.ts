/**
 * What Skynet costs, beside what it is compared with. Ends with status 1 where a figure is not reached; with --quick and
 * --counts only where it is a count, which does not depend on the machine.
 */
import { parseArgs } from 'node:util'
import { benchSandbox, type Bench } from './bench-sandbox.js'
import { measureDrains } from './drain.js'
import { FULL, QUICK, type Effort } from './effort.js'
import type { Figure } from './figure.js'
import { measureFullQueue } from './full-queue.js'
import { measureHistory } from './history.js'
import { measureIdle } from './idle.js'
import { measureLongRun } from './long-run.js'
import { measureReaction } from './reaction.js'
import { readResults, resultsOf, table, writePage, writeResults } from './results.js'
import { measureAdoption, measureStarts, measureVerbs } from './starts.js'

const MEASUREMENTS: Record<string, (bench: Bench, effort: Effort) => Promise<Figure[]>> = {
  reaction: measureReaction,
  drain: measureDrains,
  idle: measureIdle,
  verbs: measureVerbs,
  starts: measureStarts,
  adoption: measureAdoption,
  tasks: measureLongRun,
  history: (_bench, effort) => measureHistory(effort),
  // Leaves its tasks behind, so it comes last.
  queue: measureFullQueue,
}

/** Those that count something. */
const COUNTING = ['idle', 'tasks', 'history', 'queue']

const USAGE = `
npm run bench                          all of it, in some ten minutes; writes RESULTS.md and results.json
npm run bench -- --quick               in under one minute; writes nothing
npm run bench -- --counts              only what is counted; part of npm test
npm run bench -- --only drain,history  some of ${Object.keys(MEASUREMENTS).join(', ')}; writes nothing
npm run bench -- --page                writes RESULTS.md anew from results.json and findings.md
`.trim()

const values = optionsOf(process.argv.slice(2))
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const names = values.only?.split(',') ?? (values.counts ? COUNTING : Object.keys(MEASUREMENTS))
const unknown = names.filter((name) => !(name in MEASUREMENTS))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; there are ${Object.keys(MEASUREMENTS).join(', ')}.`)
  process.exit(2)
}
if (values.page) {
  writePage(readResults())
  process.exit()
}
const isQuick = values.quick || values.counts
const effort = isQuick ? QUICK : FULL

const started = Date.now()
const figures: Figure[] = []
{
  await using bench = await benchSandbox(Math.max(100, effort.parallelTasks))
  for (const name of names) {
    const before = Date.now()
    const found = (await MEASUREMENTS[name]?.(bench, effort)) ?? []
    figures.push(...found)
    console.log(`${name}, ${((Date.now() - before) / 1000).toFixed(0)} s\n${table(found)}\n`)
  }
}
const failed = figures.filter(({ reached, isCount }) => !reached && (isCount || !isQuick))
console.log(`${figures.length} figures in ${Math.round((Date.now() - started) / 1000)} s, ${failed.length} not reached`)
for (const { name, shown, must } of failed) console.log(`  ${name}: ${shown}, must be ${must}`)
if (!isQuick && values.only === undefined) {
  writeResults(resultsOf('npm run bench', started, figures))
}
process.exitCode = failed.length === 0 ? 0 : 1

function optionsOf(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        counts: { type: 'boolean', default: false },
        page: { type: 'boolean', default: false },
        only: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}
