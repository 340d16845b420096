import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import type { Socket } from 'node:net'
import type { PidMark } from './pid-sequence.js'
import type { ProcessIdentity, ProcessTable } from './process-table.js'
import type { RunExit } from './run-record.js'
import { exitOfShellStatus } from './run-exit.js'

/**
 * What stands between Skynet and drush: a shell that notes how drush's main process ended, so that the exit status outlives
 * the daemon. The text is constant. Which run is its own the shell is told on descriptor 3, word by word, the run's name
 * last: whatever breaks off before that, a daemon that was killed for one, is none. There it tells in turn how drush ended,
 * and waits for the next run; with the daemon's end of it closed, it leaves.
 *
 * Making `started` comes before drush and fails when the file exists (noclobber): a daemon that decided that this run
 * never came to be made it (`ShellNotes.fence`), and then drush must not be started any more. Whose shell it is can be
 * told from outside by its output, which it opens before that (`shellOf`).
 * A signal to the whole group reaches the shell too; its empty traps keep it alive to note what became of drush
 * (an ignored signal would be ignored by drush as well; a trapped one is not). A shell that cannot note it leaves with
 * that status.
 */
const SHELL_TEXT = `runs=$1; nice=$2; umask=$3; command=$4; alias=$5
set -C
while :; do
  set -- "$command" "$alias"
  while IFS= read -r word <&3 && [ -n "$word" ]; do set -- "$@" "$word"; done
  IFS= read -r run <&3 || exit 0
  run=$runs/$run
  command : > "$run/output" || exit 125
  command exec >> "$run/output" 2>&1 || exit 125
  echo "$$" > "$run/started" || exit 125
  trap : HUP INT TERM
  umask "$umask"
  if [ "$nice" = 0 ]; then "$@" 3>&-; else nice -n "$nice" "$@" 3>&-; fi
  status=$?
  umask 077
  echo "$status" > "$run/exit" || exit "$status"
  trap - HUP INT TERM
  exec > /dev/null 2>&1
  echo "$status" >&3
done`

/** What it is called in the list of processes. */
export const SHELL_NAME = 'skynet-run'

/** What it leaves with, without having run drush, where it cannot write its files: the disk is full, or a fence is up. */
export const UNWRITTEN = 125

/** How drush's main process left, or the shell before it could tell; `isNoted`: which stands on disk as well. */
export interface ShellReport {
  exit: RunExit
  isNoted: boolean
}

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
 * A shell in a session of its own that waits to be told which run is its own, and leaves when nobody will. One run is over
 * before it is told of another; whether it may be told of one at all is for the `ShellPool` to say.
 */
export class RunShell {
  readonly identity: ProcessIdentity
  readonly drush: DrushCommand
  readonly #channel: Socket
  #isUsable = true
  #isRunning = false
  readonly #processes: ProcessTable
  #since: PidMark | undefined
  #reported: (report: ShellReport) => void = () => undefined

  /**
   * @param runs the folder that the runs' will be in.
   * @throws NoProcess
   */
  constructor(runs: string, drush: DrushCommand, surroundings: ChildSurroundings, processes: ProcessTable) {
    this.drush = drush
    this.#processes = processes
    const settings = [runs, String(drush.nice), surroundings.umask.toString(8)]
    const child = spawned(['-c', SHELL_TEXT, SHELL_NAME, ...settings, drush.command, drush.alias], {
      cwd: surroundings.home,
      env: surroundings.environment,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    child.on('error', () => undefined)
    // Without descriptors to spare Node does not even make the streams, whatever its types say.
    const stdio = child.stdio as ChildProcess['stdio'] | undefined
    if (!stdio) throw new NoProcess('too many open files; is the limit (ulimit -n) too low for so many slots?')
    const channel = stdio[3] as Socket | null
    if (child.pid === undefined || !channel) throw new NoProcess('the operating system made no process')
    this.#channel = channel
    channel.on('error', () => undefined)
    // Node would not end before its child: a daemon that leaves would linger for as long as the task takes.
    child.unref()
    channel.unref()
    channel.setEncoding('latin1').on('data', (status: string) => this.#ended(exitOfShellStatus(Number(status)), true))
    child.once('exit', (code, signal) => {
      this.dismiss()
      if (code !== null) this.#ended(exitOfShellStatus(code), false)
      else this.#ended({ kind: 'signal', signal: (signal ?? 'unknown').replace(/^SIG/, '') }, false)
    })
    // Read at once: until Node has collected its child, the pid cannot become another process's.
    try {
      const identity = processes.identify(child.pid)
      if (!identity) throw new NoProcess('the new process is not in /proc; is /proc mounted with hidepid?')
      this.identity = identity
    } catch (cause) {
      this.dismiss()
      throw cause instanceof NoProcess ? cause : new NoProcess('the new process cannot be looked at', { cause })
    }
    processes.sequence.check(child.pid)
  }

  /** Whether it waits for a run, as far as we know. */
  get isWaiting(): boolean {
    return this.#isUsable && !this.#isRunning
  }

  /**
   * Tells it its run; from then on it is that run's child, and goes its way without us. `words` are the drush command
   * with its arguments.
   */
  begin(run: string, words: readonly string[]): Promise<ShellReport> {
    if (!this.isWaiting) return Promise.resolve({ exit: { kind: 'unknown' }, isNoted: false })
    const reported = new Promise<ShellReport>((resolve) => (this.#reported = resolve))
    this.#isRunning = true
    this.#since = this.#processes.sequence.mark()
    this.#channel.write(`${[...words, '', run].join('\n')}\n`)
    return reported
  }

  /** When it was told of its run: it was alone in its session then. */
  get since(): PidMark | undefined {
    return this.#since
  }

  #ended(exit: RunExit, isNoted: boolean): void {
    this.#isRunning = false
    this.#reported({ exit, isNoted })
  }

  /** Nobody needs it any more: it leaves, at once or when its drush has. Idempotent. */
  dismiss(): void {
    this.#isUsable = false
    this.#channel.destroy()
  }
}

/** No process could be made, or none can be seen. */
export class NoProcess extends Error {}

function spawned(args: string[], options: SpawnOptions): ChildProcess {
  try {
    return spawn('/bin/sh', args, options)
  } catch (cause) {
    throw new NoProcess(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
