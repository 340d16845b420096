import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import type { ProcessIdentity, ProcessTable } from './process-table.js'

/**
 * What stands between Skynet and drush: a shell that lives as long as drush's main process and notes how it ended, so
 * that the exit status outlives the daemon. The text is constant; the task comes in as arguments.
 *
 * Making `started` is its first act and fails when the file exists (noclobber): a daemon that decided that this run
 * never came to be made it (`RunStore.fence`), and then drush must not be started any more.
 * A signal to the whole group reaches the shell too; its empty traps keep it alive to note what became of drush
 * (an ignored signal would be ignored by drush as well; a trapped one is not).
 */
const SHELL_TEXT = `set -C
echo "$$" > "$1/started" || exit 125
trap : HUP INT TERM
run=$1; nice=$2; umask "$3"; shift 3
if [ "$nice" = 0 ]; then "$@"; else nice -n "$nice" "$@"; fi
status=$?
umask 077
echo "$status" > "$run/exit"
exit "$status"`

export interface DrushCommand {
  /** Program, searched in PATH, and what comes before the alias. */
  command: string
  alias: string
  nice: number
}

/** Who the children run as and where: what a login of that user would have, and nothing else. */
export interface ChildSurroundings {
  home: string
  environment: NodeJS.ProcessEnv
  /** The umask that Skynet was started with; its own is 077, and with that Aegir's sites could not be served. */
  umask: number
}

const PASSED_ON = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'PATH', 'LANG', 'SSH_AUTH_SOCK'] as const

export function childSurroundings(
  environment: NodeJS.ProcessEnv,
  user: { username: string; homedir: string; shell: string | null },
  umask: number,
): ChildSurroundings {
  const home = environment['HOME'] ?? user.homedir
  const complete: NodeJS.ProcessEnv = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    SHELL: user.shell ?? '/bin/sh',
    ...environment,
    HOME: home,
    USER: user.username,
    LOGNAME: user.username,
  }
  const passedOn = PASSED_ON.flatMap((name) => (complete[name] === undefined ? [] : [[name, complete[name]]]))
  return { home, environment: Object.fromEntries(passedOn) as NodeJS.ProcessEnv, umask }
}

/**
 * Starts the shell of a run in a session of its own; `words` is the drush command with its arguments. The output file is opened here and appended to by the child, so
 * that neither needs the other afterwards.
 */
function spawnRun(
  run: { directory: string; outputFile: string; words: string[] },
  drush: DrushCommand,
  surroundings: ChildSurroundings,
): ChildProcess {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  const output = openSync(run.outputFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  try {
    const drushArguments = [drush.command, drush.alias, ...run.words]
    const settings = [run.directory, String(drush.nice), surroundings.umask.toString(8)]
    const child = spawn('/bin/sh', ['-c', SHELL_TEXT, 'skynet-run', ...settings, ...drushArguments], {
      cwd: surroundings.home,
      env: surroundings.environment,
      detached: true,
      stdio: ['ignore', output, output],
    })
    // Node would not end before its child: a daemon that leaves would linger for as long as the task takes.
    child.unref()
    return child
  } finally {
    closeSync(output)
  }
}

/** As `spawnRun`, and says who the child is. @throws when no process could be made, or none can be seen */
export function startChild(
  run: Parameters<typeof spawnRun>[0],
  drush: DrushCommand,
  surroundings: ChildSurroundings,
  processes: ProcessTable,
): { child: ChildProcess; identity: ProcessIdentity } {
  const child = spawnRun(run, drush, surroundings)
  child.on('error', () => undefined)
  if (child.pid === undefined) throw new Error('the operating system made no process')
  // Read at once: until Node has collected its child, the pid cannot become another process's.
  const identity = processes.identify(child.pid)
  if (!identity) throw new Error('the new process is not in /proc; is /proc mounted with hidepid?')
  return { child, identity }
}
