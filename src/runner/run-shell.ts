import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { ProcessIdentity, ProcessTable } from './process-table.js'
import type { RunExit } from './run-record.js'
import { exitOfShellStatus } from './run-store.js'

/**
 * What stands between Skynet and drush: a shell that lives as long as drush's main process and notes how it ended, so
 * that the exit status outlives the daemon. The text is constant; which run is its own the shell is told by its standard
 * input, word by word, the run's name last: whatever breaks off before that, a daemon that was killed for one, is none.
 *
 * Making `started` comes before all else and fails when the file exists (noclobber): a daemon that decided that this run
 * never came to be made it (`RunStore.fence`), and then drush must not be started any more. Whose shell it is can be
 * told from outside by its output, which it opens before that (`shellOf`).
 * A signal to the whole group reaches the shell too; its empty traps keep it alive to note what became of drush
 * (an ignored signal would be ignored by drush as well; a trapped one is not).
 */
const SHELL_TEXT = `runs=$1; nice=$2; umask=$3; shift 3
while IFS= read -r word && [ -n "$word" ]; do set -- "$@" "$word"; done
IFS= read -r run || exit 0
run=$runs/$run
command exec < /dev/null >> "$run/output" 2>&1 || exit 125
set -C
echo "$$" > "$run/started" || exit 125
trap : HUP INT TERM
umask "$umask"
if [ "$nice" = 0 ]; then "$@"; else nice -n "$nice" "$@"; fi
status=$?
umask 077
echo "$status" > "$run/exit"
exit "$status"`

/** What it is called in the list of processes. */
export const SHELL_NAME = 'skynet-run'

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

/** A shell in a session of its own that waits to be told which run is its own, and leaves when nobody will. */
export class RunShell {
  readonly identity: ProcessIdentity
  /** How it left. */
  readonly exited: Promise<RunExit>
  readonly #child: ChildProcess
  readonly #runs: string
  #isAlive = true

  /**
   * @param runs the folder that the run's will be in.
   * @throws when no process could be made, or none can be seen
   */
  constructor(runs: string, drush: DrushCommand, surroundings: ChildSurroundings, processes: ProcessTable) {
    this.#runs = runs
    const settings = [runs, String(drush.nice), surroundings.umask.toString(8)]
    const child = spawn('/bin/sh', ['-c', SHELL_TEXT, SHELL_NAME, ...settings, drush.command, drush.alias], {
      cwd: surroundings.home,
      env: surroundings.environment,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    child.on('error', () => undefined)
    // Without descriptors to spare there is no process, and no pipe to one.
    const stdin = child.stdin as Writable | null
    stdin?.on('error', () => undefined)
    // Node would not end before its child: a daemon that leaves would linger for as long as the task takes.
    child.unref()
    if (stdin instanceof Socket) stdin.unref()
    this.#child = child
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#isAlive = false
        if (code !== null) resolve(exitOfShellStatus(code))
        else resolve({ kind: 'signal', signal: (signal ?? 'unknown').replace(/^SIG/, '') })
      })
    })
    if (child.pid === undefined) throw new Error('the operating system made no process')
    // Read at once: until Node has collected its child, the pid cannot become another process's.
    const identity = processes.identify(child.pid)
    if (!identity) {
      this.dismiss()
      throw new Error('the new process is not in /proc; is /proc mounted with hidepid?')
    }
    this.identity = identity
  }

  /** Whether it still waits, as far as we know. */
  get isAlive(): boolean {
    return this.#isAlive
  }

  /**
   * Tells it its run; from then on it is that run's child, and goes its way without us. `words` are the drush command
   * with its arguments. The output file is made here, so that a disk that is full says so before anything runs.
   * @throws the error of the file system
   */
  begin(run: string, words: readonly string[]): void {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    try {
      closeSync(openSync(join(this.#runs, run, 'output'), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
    } catch (error) {
      this.dismiss()
      throw error
    }
    this.#child.stdin?.end(`${[...words, '', run].join('\n')}\n`)
  }

  /** Nobody needs it: it leaves without having done anything. */
  dismiss(): void {
    this.#child.stdin?.end()
  }
}
