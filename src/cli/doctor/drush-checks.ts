import { userInfo } from 'node:os'
import { homeDirectory } from '../../config/find-config.js'
import { probeDrush, type DrushHealth } from '../../runner/drush-probe.js'
import { childSurroundings } from '../../runner/run-shell.js'
import { which } from '../setup/facts.js'
import { fail, pass, skip, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

/** The drush of Aegir 3; provision does not know later ones. */
const DRUSH_VERSION = 8

/** drush may write its caches, which are not for us alone. */
const LOGIN_UMASK = 0o022

export function drushChecks(exam: Examination): CheckGroup {
  let health: Promise<DrushHealth> | undefined
  const probe = () => (health ??= probeAsTheDaemon(exam))
  return {
    title: 'Drush',
    checks: [
      { name: 'load', needs: ['configuration'], run: () => load(exam) },
      { name: 'php', run: () => php(exam) },
      { name: 'drush', needs: ['configuration', 'php'], run: () => drush(exam) },
      { name: 'alias', needs: ['drush', 'database', 'load'], run: () => alias(exam, probe) },
      { name: 'drush version', needs: ['alias'], run: () => version(probe) },
    ],
  }
}

function load({ config, machine }: Examination): Finding {
  const { max_load } = config.queue
  const now = machine.load()
  const what = `${now.toFixed(2)}; nothing is started above ${max_load}`
  if (now <= max_load) return pass(what)
  return fail(what, 'See what keeps the machine busy: top. Skynet goes on by itself once the load is lower.')
}

async function php({ taskEnvironment, machine }: Examination): Promise<Finding> {
  const path = taskEnvironment['PATH'] ?? ''
  const result = await machine.run('php', ['-r', 'echo PHP_VERSION;'], { PATH: path, HOME: taskEnvironment['HOME'] })
  const todo = 'Install php-cli, or put its folder into PATH where the daemon is started (environment=).'
  if (!result) return fail(`php is not in PATH (${path})`, todo)
  const version = result.stdout.trim().split('\n').at(-1) ?? ''
  if (result.code === 0 && /^\d+\.\d+/.test(version)) return pass(`PHP ${version}`)
  return fail(`php does not work: ${(result.stderr || result.stdout).trim().split('\n')[0] ?? ''}`, 'Try: php -v')
}

function drush({ config, taskEnvironment }: Examination): Finding {
  const { command } = config.drush
  const path = taskEnvironment['PATH'] ?? ''
  const file = which(command, path)
  if (file !== undefined) return pass(file)
  const where = command.startsWith('/') ? 'is not there, or not executable' : `is not in PATH (${path})`
  return fail(`${command} ${where}`, 'Install drush, or set [drush] command in local.skynet.conf to its path.')
}

async function alias({ config }: Examination, probe: () => Promise<DrushHealth>): Promise<Finding> {
  const { command, alias: name } = config.drush
  const health = await probe()
  if (health.works) return pass(`${name} answers`)
  return fail(health.reason, `Try it as this user: ${command} ${name} status. Without an alias: set [drush] alias.`)
}

async function version(probe: () => Promise<DrushHealth>): Promise<Finding> {
  const health = await probe()
  if (!health.works || health.version === undefined) return skip('drush does not say its version')
  const what = `drush ${health.version}`
  if (Number.parseInt(health.version) === DRUSH_VERSION) return pass(what)
  return warn(what, `Aegir 3 needs drush ${DRUSH_VERSION}; set [drush] command to it.`)
}

function probeAsTheDaemon({ config, taskEnvironment }: Examination): Promise<DrushHealth> {
  const { username, shell } = userInfo()
  const home = homeDirectory(taskEnvironment)
  return probeDrush(
    config.drush,
    childSurroundings({ ...taskEnvironment, HOME: home }, { username, homedir: home, shell }, LOGIN_UMASK),
  )
}
