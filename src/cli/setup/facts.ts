import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { packageFolder } from '../../config/package-folder.js'
import { SkynetError } from '../../config/skynet-error.js'
import { programName } from './supervisor-program.js'
import {
  SYSTEM_PATH,
  becoming,
  run,
  searchPath,
  userEnvironment,
  type CommandResult,
  type UnixUser,
} from './as-user.js'

export interface SetupOptions {
  user: string
  dryRun?: boolean
  remove?: boolean
  systemd?: boolean
  supervisorDir: string
  record: string
  log?: string
}

/** What setup found on the machine, and how it acts there. */
export interface Facts {
  user: UnixUser
  /** Absolute paths of programs. */
  node: string
  main: string
  drush: string
  php: string
  /** Of the hostmaster site. */
  site: { root: string; uri: string }
  /** The package's own folder. */
  packageFolder: string
  /** Supervisor's configuration folder; null where systemd is to keep the daemon up. */
  supervisorDir: string | null
  /** Where Supervisor puts what the daemon says. */
  logFile: string
  /** PATH of the daemon and of all that setup runs as the user. */
  path: string
  /** Runs a program as ourselves. */
  run: (command: string, ...args: string[]) => Promise<CommandResult>
  /** Runs a program as Aegir's user, in his home. */
  asUser: (command: string, ...args: string[]) => Promise<CommandResult>
  /** As `asUser`, but a failure is an error with the program's last words. */
  mustAsUser: (command: string, ...args: string[]) => Promise<string>
  say: (text: string) => void
}

/** Finds what setup has to know. Changes nothing. @throws SkynetError naming what is missing */
export async function findFacts(
  options: SetupOptions,
  environment: NodeJS.ProcessEnv,
  say: (text: string) => void,
): Promise<Facts> {
  const path = searchPath(environment)
  const own = { ...environment, PATH: path }
  const user = await findUser(options.user, own)
  const uid = process.geteuid?.() ?? -1
  if (uid !== 0 && uid !== user.uid) {
    throw new SkynetError('NOT_ALLOWED', `Setup has to act as root, or as ${user.name}.`, {
      remedy: 'Run it so: sudo skynet setup',
    })
  }
  const drush = findProgram('drush', path, 'Install drush, or put its folder into PATH.')
  const php = findProgram('php', path, 'Install php-cli.')
  const userPath = pathWith([drush, php])
  const userEnv = userEnvironment(user, userPath)
  const asUser = (command: string, ...args: string[]) => {
    const [program, words] = becoming(user, command, args)
    return run(program, words, userEnv, user.home)
  }
  const mustAsUser = async (command: string, ...args: string[]) => {
    const result = await asUser(command, ...args)
    if (result.code === 0) return result.stdout
    throw failed(`${command} ${args.join(' ')}`, result, user)
  }
  const main = join(packageFolder(), 'dist/main.js')
  const version = await asUser(process.execPath, main, '--version')
  if (version.code !== 0) {
    throw new SkynetError('FAILED', `${user.name} cannot run ${main} with ${process.execPath}: ${lastLine(version)}`, {
      remedy: 'Install Node and Skynet where all users may read them, not in a home of root: npm install -g',
    })
  }
  const site = siteOf(await mustAsUser(drush, '@hostmaster', 'status', '--format=json'))
  const hasSupervisor = canRun('supervisorctl', path) && existsSync(options.supervisorDir)
  return {
    user,
    node: process.execPath,
    main,
    drush,
    php,
    site,
    packageFolder: packageFolder(),
    supervisorDir: options.systemd || !hasSupervisor ? null : options.supervisorDir,
    logFile: options.log ?? defaultLog(user),
    path: userPath,
    run: (command, ...args) => run(command, args, own),
    asUser,
    mustAsUser,
    say,
  }
}

async function findUser(name: string, environment: NodeJS.ProcessEnv): Promise<UnixUser> {
  const { stdout } = await run('getent', ['passwd', name], environment)
  const [login, , uid, gid, , home, shell] = stdout.trim().split(':')
  if (login === undefined || home === undefined || !isAbsolute(home)) {
    throw new SkynetError('FAILED', `There is no user ${name} on this machine.`, {
      remedy: 'Name the user that owns Aegir: sudo skynet setup --user NAME',
    })
  }
  if (uid === '0') throw new SkynetError('USAGE', 'Aegir does not belong to root: drush refuses root.')
  return { name: login, uid: Number(uid), gid: Number(gid), home, shell: shell || '/bin/sh' }
}

/** drush's own words about the site behind @hostmaster. */
function siteOf(output: string): { root: string; uri: string } {
  let status: { root?: unknown; uri?: unknown }
  try {
    status = JSON.parse(output.slice(output.indexOf('{'))) as typeof status
  } catch {
    status = {}
  }
  const { root, uri } = status
  const name = typeof uri === 'string' ? uri.replace(/^https?:\/\//, '').replace(/\/$/, '') : ''
  // It becomes a part of paths.
  const isName = /^[a-z0-9][\w.-]*(:\d+)?$/i.test(name)
  if (typeof root === 'string' && isAbsolute(root) && isName) return { root, uri: name.replace(/:\d+$/, '') }
  throw new SkynetError('FAILED', 'drush @hostmaster status does not say where the hostmaster site is.', {
    remedy: 'Try it as the user that owns Aegir; it has to show the Drupal root and the site URI.',
  })
}

export function canRun(name: string, path: string): boolean {
  return which(name, path) !== undefined
}

/** The program that a name stands for; a name that is a path stands for itself. */
export function which(name: string, path: string): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined
  return path
    .split(':')
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function findProgram(name: string, path: string, remedy: string): string {
  const found = which(name, path)
  if (found === undefined) throw new SkynetError('FAILED', `${name} is not in PATH (${path}).`, { remedy })
  return found
}

function pathWith(programs: string[]): string {
  return [...new Set([...programs.map((program) => dirname(program)), ...SYSTEM_PATH])].join(':')
}

/** Where Aegir's operators look; supervisord does not make a folder. */
function defaultLog(user: UnixUser): string {
  const folder = ['/var/log/aegir', '/var/log/supervisor'].find((candidate) => existsSync(candidate)) ?? '/var/log'
  return join(folder, `${programName(user)}.log`)
}

export function failed(what: string, result: CommandResult, { name }: { name: string }): SkynetError {
  return new SkynetError('FAILED', `“${what}”, as ${name}, ended with status ${result.code}: ${lastLine(result)}`)
}

function lastLine({ stdout, stderr }: CommandResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '')
  return (lines.at(-1) ?? 'it printed nothing').trim().slice(0, 300)
}
