import { NODE_OPTIONS } from '../../config/node-options.js'
import type { UnixUser } from './as-user.js'

/** One program of a Supervisor configuration file. */
export interface Program {
  name: string
  command: string
  user: string | undefined
  /** Every key of its section, these two included. */
  settings: Record<string, string>
}

/** Several Aegir instances on one machine have one program each. */
export function programName({ name }: Pick<UnixUser, 'name'>): string {
  return name === 'aegir' ? 'skynet-queue' : `skynet-queue-${name}`
}

/** The programs that a Supervisor configuration file defines. */
export function programsIn(text: string): Program[] {
  const programs: Program[] = []
  let current: Program | undefined
  for (const line of text.split('\n')) {
    const section = /^\s*\[(?:program:)?([^\]]*)\]/.exec(line)
    if (section) {
      current = undefined
      if (/^\s*\[program:/.test(line))
        programs.push((current = { name: section[1] ?? '', command: '', user: undefined, settings: {} }))
    }
    // Supervisor takes a semicolon behind a blank for the beginning of a comment.
    const [, key, value = ''] = /^\s*(\w+)\s*=\s*(.*?)(?:\s+;.*)?\s*$/.exec(line) ?? []
    if (!current || key === undefined) continue
    current.settings[key] = value
    if (key === 'command') current.command = value
    if (key === 'user') current.user = value
  }
  return programs
}

export interface ProgramValues {
  user: UnixUser
  node: string
  main: string
  path: string
  logFile: string
}

/**
 * The shipped program with this machine's values in the place of the shipped ones; everything else, the comments
 * included, stays. A percent sign begins a substitution in Supervisor's files.
 */
export function renderProgram(shipped: string, { user, node, main, path, logFile }: ProgramValues): string {
  const plain = (value: string) => value.replaceAll('%', '%%')
  const quoted = (value: string) => `"${plain(value)}"`
  const values: Record<string, string> = {
    command: [quoted(node), ...NODE_OPTIONS, quoted(main), 'queued --wait'].join(' '),
    user: user.name,
    directory: plain(user.home),
    environment: Object.entries(loginOf(user, path))
      .map(([name, value]) => `${name}=${quoted(value)}`)
      .join(','),
    stdout_logfile: plain(logFile),
  }
  return shipped
    .replace('[program:skynet-queue]', `[program:${programName(user)}]`)
    .replace(/^(command|user|directory|environment|stdout_logfile)\s*=.*$/gm, (line, key: string) =>
      values[key] === undefined ? line : `${key}=${values[key]}`,
    )
}

/** The shipped systemd unit, likewise. */
export function renderUnit(shipped: string, { user, node, main, path, logFile }: ProgramValues): string {
  const quoted = (value: string) => `"${value.replaceAll('%', '%%')}"`
  const { PATH, ...login } = loginOf(user, path)
  const values: Record<string, string> = {
    ExecStart: [quoted(node), ...NODE_OPTIONS, quoted(main), 'queued --wait'].join(' '),
    User: user.name,
    WorkingDirectory: user.home.replaceAll('%', '%%'),
    'Environment=HOME': Object.entries(login)
      .map(([name, value]) => quoted(`${name}=${value}`))
      .join(' '),
    'Environment=PATH': quoted(`PATH=${PATH}`),
    'Environment=SKYNET_LOG_FILE': quoted(`SKYNET_LOG_FILE=${logFile}`),
  }
  return shipped.replace(/^(ExecStart|User|WorkingDirectory|Environment=\w+)=.*$/gm, (line, key: string) => {
    const value = values[key]
    return value === undefined ? line : `${key.startsWith('Environment') ? 'Environment' : key}=${value}`
  })
}

/** What the daemon, and so every task, gets of an environment. */
function loginOf({ name, home, shell }: UnixUser, path: string) {
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell, PATH: path }
}
