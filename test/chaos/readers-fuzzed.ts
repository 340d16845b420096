import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Scenario } from './scenario.js'

/** Tests in that file, which get the same number of inputs each. */
const PROPERTIES = 5

const FILE = 'test/unit/fuzz.test.ts'

/** Garbage for everything of Skynet that reads what others wrote; no task has a part in it. */
export const readersFuzzed: Scenario = {
  name: 'readers-fuzzed',
  fault:
    'garbage for the readers of INI files, PHP’s values, records and control requests; never a crash, never a hang',
  times: { short: 7_500, long: 1_000_000 },
  shortForm: FILE,
  async run({ sandbox }, { times, random }) {
    const runs = Math.ceil(times / PROPERTIES)
    const child = spawn(process.execPath, ['--import', 'tsx', '--test', '--test-reporter=tap', FILE], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: {
        ...process.env,
        FUZZ_RUNS: String(runs),
        FUZZ_SEED: String(random.between(0, 2 ** 31 - 1)),
        HOME: sandbox.home,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit') as Promise<[number | null]>
    const [said, [code]] = await Promise.all([text(child.stdout), ended])
    const passed = Number(/^# pass (\d+)$/m.exec(said)?.[1])
    if (code !== 0 || passed !== PROPERTIES) throw new Error(`${passed} of ${PROPERTIES} passed.\n${said}`)
    return {
      did: `${runs} inputs for each of ${PROPERTIES} properties`,
      times: runs * PROPERTIES,
      tasks: 0,
      lost: 0,
      doubled: 0,
    }
  },
}
