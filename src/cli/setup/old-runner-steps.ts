import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, readlinkSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SkynetError } from '../../config/skynet-error.js'
import { ProcessTable, type ProcessIdentity } from '../../runner/process-table.js'
import { becoming, type UnixUser } from './as-user.js'
import type { Facts } from './facts.js'
import type { SetupStep } from './step.js'
import { programName, programsIn } from './supervisor-program.js'

/** Aegir's PHP daemon, and the Python daemon that Skynet replaces; their modules do not stop them. */
const OLD_RUNNER = /\bhosting-queued\b|skynet\.py\b/

const ASIDE = '.before-skynet'
const SYSTEMD_UNIT = 'hosting-queued.service'

/** How long an old runner may take to end, in milliseconds. */
const PATIENCE = 30_000

/** What of the environment an old runner gets back. */
const KEPT = new Set(['HOME', 'USER', 'LOGNAME', 'SHELL', 'PATH', 'LANG'])

/** Programs of Supervisor that keep an old runner up. Their files are put aside, so that they do not come back. */
export function supervisedRunnerStep(facts: Facts, supervisorDir: string): SetupStep<string[]> {
  const found = () => oldProgramFiles(facts, supervisorDir)
  const names = found().map((file) => join(supervisorDir, file))
  const what = names.length === 0 ? 'the Supervisor program of an old runner' : names.join(', ')
  return {
    name: 'old runner under Supervisor',
    describe: `stop the old queue runner: put ${what} aside (as *${ASIDE}), supervisorctl update`,
    undescribe: 'put the Supervisor program of the old queue runner back, supervisorctl update',
    isDone: () => Promise.resolve(found().length === 0),
    before: () => Promise.resolve(found()),
    do: async (files) => {
      await untilNoTaskRuns(facts)
      for (const file of files) {
        const path = join(supervisorDir, file)
        if (existsSync(path)) renameSync(path, `${path}${ASIDE}`)
      }
      await supervisorctl(facts, 'update')
    },
    undo: async (files) => {
      for (const file of files) {
        const path = join(supervisorDir, file)
        if (existsSync(`${path}${ASIDE}`) && !existsSync(path)) renameSync(`${path}${ASIDE}`, path)
      }
      await supervisorctl(facts, 'update')
    },
  }
}

interface UnitState {
  active: boolean
  enabled: boolean
}

/** Aegir's PHP daemon as Debian's package brings it. */
export function unitRunnerStep(facts: Facts): SetupStep<UnitState> {
  return {
    name: 'old runner under systemd',
    describe: `stop the old queue runner: systemctl disable --now ${SYSTEMD_UNIT}`,
    undescribe: `start the old queue runner again: ${SYSTEMD_UNIT}`,
    isDone: async () => {
      const { active, enabled } = await unitState(facts)
      return !active && !enabled
    },
    before: () => unitState(facts),
    do: async () => {
      await untilNoTaskRuns(facts)
      await must(facts, 'systemctl', 'disable', '--now', SYSTEMD_UNIT)
    },
    undo: async ({ active, enabled }) => {
      if (enabled) await must(facts, 'systemctl', 'enable', SYSTEMD_UNIT)
      if (active) await must(facts, 'systemctl', 'start', SYSTEMD_UNIT)
    },
  }
}

interface OldProcess {
  identity: ProcessIdentity
  args: string[]
  directory: string
  environment: Record<string, string>
}

/** What runs without anybody who would bring it back. */
export function strayRunnerStep(facts: Facts): SetupStep<OldProcess[]> {
  const processes = new ProcessTable()
  const found = () => oldProcesses(processes, facts.user)
  const pids = found().map(({ identity }) => identity.pid)
  return {
    name: 'old runner process',
    describe: `stop the old queue runner: end what of it still runs (now: ${pids.length === 0 ? 'nothing' : `process ${pids.join(', ')}`})`,
    undescribe: 'start the process of the old queue runner again',
    isDone: () => Promise.resolve(found().length === 0),
    before: () => Promise.resolve(found()),
    do: async (before) => {
      await untilNoTaskRuns(facts)
      for (const { identity } of before) if (processes.isAlive(identity)) process.kill(identity.pid, 'SIGTERM')
      const end = performance.now() + PATIENCE
      while (before.some(({ identity }) => processes.isAlive(identity))) {
        if (performance.now() > end) {
          const left = before.filter(({ identity }) => processes.isAlive(identity)).map(({ identity }) => identity.pid)
          throw new SkynetError('FAILED', `The old queue runner, process ${left.join(', ')}, does not end.`, {
            remedy: 'End it by hand, then run setup again.',
          })
        }
        await delay(50)
      }
    },
    undo: (before) => {
      for (const { args, directory, environment } of before) {
        const [command = '', ...words] = args
        const [program, all] = becoming(facts.user, command, words)
        spawn(program, all, { cwd: directory, env: environment, detached: true, stdio: 'ignore' })
          .on('error', (error) => facts.say(`  it could not be started again: ${error.message}`))
          .unref()
      }
      return Promise.resolve()
    },
  }
}

/** Files of Supervisor that define an old runner of this user, other than our own program. */
function oldProgramFiles(facts: Facts, supervisorDir: string): string[] {
  if (!existsSync(supervisorDir)) return []
  return readdirSync(supervisorDir)
    .filter((name) => name.endsWith('.conf'))
    .filter((name) => {
      const programs = programsIn(readFileSync(join(supervisorDir, name), 'utf8'))
      const old = programs.filter(
        ({ command, user }) => OLD_RUNNER.test(command) && (user === undefined || user === facts.user.name),
      )
      if (old.length > 0 && programs.length > old.length) {
        throw new SkynetError('FAILED', `${join(supervisorDir, name)} has an old queue runner beside other programs.`, {
          remedy: `Take [program:${old[0]?.name ?? ''}] out of it, run supervisorctl update, then setup again.`,
        })
      }
      return old.length > 0 && !programs.some((program) => isOurProgram(program, facts.user))
    })
}

function isOurProgram({ name, command }: { name: string; command: string }, user: UnixUser): boolean {
  return name === programName(user) && !OLD_RUNNER.test(command)
}

async function unitState(facts: Facts): Promise<UnitState> {
  const none = { active: false, enabled: false }
  const properties = ['-p', 'LoadState', '-p', 'ActiveState', '-p', 'UnitFileState', '-p', 'User']
  const result = await facts.run('systemctl', 'show', SYSTEMD_UNIT, ...properties).catch(() => undefined)
  if (result?.code !== 0) return none
  const values = new Map(result.stdout.split('\n').map((line) => [line.split('=')[0], line.split('=')[1]]))
  const user = values.get('User')
  if (values.get('LoadState') !== 'loaded' || (user !== undefined && user !== '' && user !== facts.user.name))
    return none
  return { active: values.get('ActiveState') === 'active', enabled: values.get('UnitFileState') === 'enabled' }
}

/** Of this Aegir: its user's, with his home. */
function oldProcesses(processes: ProcessTable, { uid, home }: UnixUser): OldProcess[] {
  return processes.list().flatMap(({ pid, parent }): OldProcess[] => {
    const args = processes.args(pid)
    if (!isOldRunner(args) || isOldRunner(processes.args(parent))) return []
    try {
      if (statSync(`/proc/${pid}`).uid !== uid) return []
      const identity = processes.identify(pid)
      if (!identity) return []
      const entries = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((entry): [string, string] => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)])
      const environment = Object.fromEntries(entries.filter(([name]) => KEPT.has(name)))
      if (environment['HOME'] !== home) return []
      return [{ identity, args, directory: readlinkSync(`/proc/${pid}/cwd`), environment }]
    } catch {
      // Gone meanwhile.
      return []
    }
  })
}

/** Whether a command line is an old runner's. By whole words: an editor that has the file open is none. */
export function isOldRunner(args: string[]): boolean {
  const runsPython =
    args.some((arg) => /(^|\/)skynet\.py$/.test(arg)) && args.some((arg) => arg === 'queued' || arg === 'q')
  const isPhp = args.includes('hosting-queued') && /(^|\/)(php[\d.]*|drush(\.php|\.phar)?)$/.test(args[0] ?? '')
  return runsPython || isPhp
}

/** To stop a runner in mid-task could end the task: waits for a moment between two. */
async function untilNoTaskRuns({ user, say }: Facts): Promise<void> {
  const processes = new ProcessTable()
  let told = false
  while (runsTask(processes, user)) {
    if (!told) say('  waiting until the running task has ended …')
    told = true
    await delay(50)
  }
}

/** Whether a drush that an old runner has started is at work. */
function runsTask(processes: ProcessTable, user: UnixUser): boolean {
  const runners = new Set(oldProcesses(processes, user).map(({ identity }) => identity.pid))
  if (runners.size === 0) return false
  const parents = new Map(processes.list().map(({ pid, parent }) => [pid, parent]))
  return [...parents.keys()].some((pid) => {
    if (!processes.args(pid).includes('hosting-task')) return false
    for (let above = parents.get(pid); above !== undefined; above = parents.get(above)) {
      if (runners.has(above)) return true
    }
    return false
  })
}

export async function supervisorctl(facts: Facts, ...args: string[]): Promise<string> {
  return must(facts, 'supervisorctl', ...args)
}

async function must(facts: Facts, command: string, ...args: string[]): Promise<string> {
  const result = await facts.run(command, ...args)
  if (result.code === 0) return result.stdout
  const words = `${result.stdout}${result.stderr}`.trim().split('\n').at(-1) ?? ''
  throw new SkynetError('FAILED', `“${command} ${args.join(' ')}” ended with status ${result.code}: ${words}`)
}
