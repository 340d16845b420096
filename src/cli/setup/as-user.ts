import { execFile } from 'node:child_process'
import { SkynetError } from '../../config/skynet-error.js'

/** A unix user, as `getent passwd` gives him. */
export interface UnixUser {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

export interface CommandResult {
  /** Exit status; 1 when it was ended by a signal. */
  code: number
  stdout: string
  stderr: string
}

/** drush bootstraps Drupal, and a verify restarts the web server: minutes on a loaded machine. */
const LIMIT = 15 * 60_000

/** Folders of programs that a login shell has and a bare root shell may lack. */
export const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** What a login of that user would have, and nothing of ours. */
export function userEnvironment(user: UnixUser, path: string): Record<string, string> {
  const { name, home, shell } = user
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell, PATH: path, LANG: 'C.UTF-8' }
}

/** PATH of ours with the system's folders behind it. */
export function searchPath(environment: NodeJS.ProcessEnv): string {
  return [
    ...new Set([...(environment['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/')), ...SYSTEM_PATH]),
  ].join(':')
}

/**
 * The command by which root becomes the user. Not spawn's own uid and gid: they take all further groups away, and
 * without the web server's a verify cannot give it its files.
 */
export function becoming(user: UnixUser, command: string, args: string[]): [string, string[]] {
  if (process.geteuid?.() !== 0) return [command, args]
  return ['setpriv', [`--reuid=${user.name}`, `--regid=${user.gid}`, '--init-groups', '--', command, ...args]]
}

/** Runs a program to its end, never through a shell. @throws SkynetError when it cannot be started or takes too long */
export function run(
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  cwd = '/',
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, cwd, timeout: LIMIT, maxBuffer: 64 << 20, encoding: 'utf8' } as const
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error && (typeof error.code === 'string' || error.killed)) {
        const why = error.killed ? `it took longer than ${LIMIT / 60_000} minutes` : error.message
        reject(new SkynetError('FAILED', `${command} could not be run: ${why}.`, { cause: error }))
      } else resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
    child.stdin?.end()
  })
}
