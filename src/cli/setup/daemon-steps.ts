import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SkynetError } from '../../config/skynet-error.js'
import type { Status } from '../../daemon/status.js'
import type { Facts } from './facts.js'
import { supervisorctl } from './old-runner-steps.js'
import type { SetupStep } from './step.js'
import { programName, renderProgram, renderUnit } from './supervisor-program.js'

/** How long a daemon may take until it leads, in milliseconds. */
const START_PATIENCE = 60_000

/** Looks without a running task, half a second apart, after which the daemon is drained. */
const QUIET_LOOKS = 3

export const UNIT = 'skynet-queue.service'

/** Supervisor's program, as a file in its folder. */
export function programStep(facts: Facts, supervisorDir: string): SetupStep<{ text: string | null }> {
  const { name } = facts.user
  const file = join(supervisorDir, name === 'aegir' ? 'skynet.conf' : `skynet-${name}.conf`)
  const wanted = () => renderProgram(shipped(facts, 'skynet.supervisor.conf'), facts)
  return {
    name: 'program',
    describe: `write Supervisor's program to ${file}`,
    undescribe: `remove Supervisor's program ${file}`,
    isDone: () => Promise.resolve(read(file) === wanted()),
    before: () => Promise.resolve({ text: read(file) }),
    do: () => {
      replace(file, wanted())
      return Promise.resolve()
    },
    undo: async ({ text }) => {
      if (text === null) rmSync(file, { force: true })
      else replace(file, text)
      await supervisorctl(facts, 'update')
    },
  }
}

/** The daemon, running under Supervisor and leading. */
export function superviseStep(facts: Facts): SetupStep<null> {
  const program = programName(facts.user)
  return {
    name: 'start',
    describe: `start it: supervisorctl update; wait until “skynet status” says leader`,
    undescribe: `drain it: skynet pause, wait for the running tasks, supervisorctl stop ${program}`,
    isDone: async () => isServing(await status(facts)) && (await isRunning(facts, program)),
    before: () => Promise.resolve(null),
    do: async () => {
      await supervisorctl(facts, 'update')
      if (!(await isRunning(facts, program))) await supervisorctl(facts, 'start', program)
      await untilServing(facts)
    },
    undo: async () => {
      await drain(facts)
      if (await isRunning(facts, program)) await supervisorctl(facts, 'stop', program)
    },
  }
}

/** Where Supervisor is not there, or not wanted: the unit and what to do with it, for the operator to see. */
export function unitStep(facts: Facts): SetupStep<null> {
  return {
    name: 'unit',
    describe: 'print a systemd unit and the commands that start it',
    undescribe: 'drain the daemon (skynet pause, wait for the running tasks), and print the commands that remove it',
    isDone: async () => isServing(await status(facts)),
    before: () => Promise.resolve(null),
    do: () => {
      facts.say(`\nPut this into /etc/systemd/system/${UNIT}:\n`)
      facts.say(renderUnit(shipped(facts, 'skynet-queue.service'), facts))
      facts.say(`Then: systemctl daemon-reload && systemctl enable --now ${UNIT}`)
      facts.say(`It has worked when this says leader: sudo -u ${facts.user.name} ${facts.node} ${facts.main} status\n`)
      return Promise.resolve()
    },
    undo: async () => {
      await drain(facts)
      facts.say(`  Remove the unit: systemctl disable --now ${UNIT}; rm /etc/systemd/system/${UNIT}`)
      if ((await status(facts)) === undefined) return
      throw new SkynetError('FAILED', 'The daemon is drained and paused, but still runs.', {
        remedy: `Stop it (systemctl disable --now ${UNIT}), then run this again.`,
      })
    },
  }
}

async function status({ asUser, node, main }: Facts): Promise<Status | undefined> {
  // Its exit status tells health; the answer is what counts here.
  const { stdout } = await asUser(node, main, 'status', '--json')
  try {
    return JSON.parse(stdout) as Status
  } catch {
    return undefined
  }
}

/** Leading, or standing by for one on another machine, or told by Aegir to leave the queue alone. */
function isServing(answer: Status | undefined): boolean {
  return answer?.role === 'leader'
}

async function isRunning(facts: Facts, program: string): Promise<boolean> {
  const { stdout } = await facts.run('supervisorctl', 'status', program)
  return /\b(RUNNING|STARTING)\b/.test(stdout)
}

async function untilServing(facts: Facts): Promise<void> {
  const end = performance.now() + START_PATIENCE
  for (;;) {
    const answer = await status(facts)
    if (isServing(answer)) {
      const pause = answer?.paused[0]
      if (pause) facts.say(`  It leads, but the queue is paused by ${pause.by}: ${pause.reason}`)
      return
    }
    if (performance.now() > end) {
      const said = answer ? `it says ${answer.role}` : 'it does not answer'
      throw new SkynetError('FAILED', `The daemon does not lead after ${START_PATIENCE / 1000} seconds: ${said}.`, {
        remedy: `Look at its log, ${facts.logFile}, then run setup again.`,
      })
    }
    await delay(200)
  }
}

/** Lets the running tasks end; there is no limit, because a clone can take hours. An interrupted drain is paused. */
async function drain(facts: Facts): Promise<void> {
  const { asUser, node, main, say } = facts
  if ((await status(facts)) === undefined) return
  await asUser(node, main, 'pause', '--reason', 'skynet setup --remove')
  let told = -1
  // A start that was under way when the pause came shows a moment later.
  for (let quiet = 0; quiet < QUIET_LOOKS; quiet += 1) {
    const answer = await status(facts)
    const running = answer?.running.length ?? 0
    if (running > 0) quiet = 0
    if (running > 0 && running !== told) say(`  waiting for ${running} running ${running === 1 ? 'task' : 'tasks'} …`)
    told = running
    await delay(500)
  }
}

function shipped({ packageFolder }: Facts, name: string): string {
  return readFileSync(join(packageFolder, 'supervisor', name), 'utf8')
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

/** Supervisor reads whenever somebody says update: it must never see half a file. The name beside it is not *.conf. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o644 })
  renameSync(`${file}.new`, file)
}
