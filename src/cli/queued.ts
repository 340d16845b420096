import { rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { defaultConfigFile, homeDirectory } from '../config/find-config.js'
import { loadCron } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import type { Flags } from '../config/sources.js'
import { systemClock, type Clock } from '../daemon/clock.js'
import { keepLittleCode } from '../daemon/compiled-code.js'
import { ConfigurationFiles } from '../daemon/configuration-files.js'
import { Daemon } from '../daemon/daemon.js'
import { DAEMON_LIMITS } from '../daemon/daemon-options.js'
import { databaseAddress } from '../daemon/database-address.js'
import { Waker } from '../daemon/waker.js'
import { openLog, type DaemonLog } from '../observe/logger.js'
import { readPlainFile, replaceFile } from '../runner/plain-file.js'
import { ProcessTable } from '../runner/process-table.js'
import { childSurroundings } from '../runner/run-shell.js'
import { detach } from './detach.js'
import type { VerbContext } from './program.js'

export interface QueuedOptions {
  config_file?: string
  verbose?: boolean
  daemon?: boolean
  once?: boolean
  wait?: boolean
  standby: boolean
  allowRoot?: boolean
  set: string[]
}

/** How long --wait lets a missing or bad configuration be, before it looks again, in milliseconds. */
const CONFIGURATION_INTERVAL = 2_000

/** How long handles that are still open may keep a daemon that has left, in milliseconds. */
const EXIT_GRACE = 500

/** The daemon. @returns the exit status when it has left. @throws SkynetError */
export async function queued(
  options: QueuedOptions,
  context: VerbContext,
  clock: Clock = systemClock,
  limits = DAEMON_LIMITS,
): Promise<number> {
  refuseRoot(options)
  const { environment } = context
  const home = homeDirectory(environment)
  const file = resolve(options.config_file ?? defaultConfigFile(home))
  if (options.daemon) return detach(file, process.argv, environment)

  // What we write is for this user alone; the children get the umask that we were started with.
  const umask = process.umask(0o077)
  withoutCoreDumps()
  const flags = flagsOf(options)
  const configuration = new ConfigurationFiles({ file, environment, flags, home })
  const config = await firstConfiguration(configuration, options, clock)
  if (!config) return 0
  // A schedule that is added later needs its parser, and by then an upgrade may have removed the file.
  await loadCron()

  const log = await openTheLog(config)
  const { username, shell } = userInfo()
  const daemon = new Daemon({
    version: context.version,
    configuration,
    resolveAddress: () => databaseAddress(configuration.current),
    log,
    clock,
    limits,
    processes: new ProcessTable(),
    surroundings: childSurroundings({ ...environment, HOME: home }, { username, homedir: home, shell }, umask),
    once: options.once ?? false,
    standby: options.standby,
    wait: options.wait ?? false,
    ready: (role) => {
      keepLittleCode()
      if (role === 'leader') writePidFile(config.state.dir)
      if (!process.connected) return
      process.send?.({ ready: role })
      process.disconnect()
    },
  })
  const release = obeySignals(daemon)
  let hasLeft = false
  try {
    await daemon.start()
    hasLeft = true
    return 0
  } finally {
    // What comes now comes too late to mean anything, and would only hide that the daemon has left in order. In this order:
    // a signal that nobody listens to, be it for a moment, ends the process.
    listen({ SIGTERM: ignore, SIGINT: ignore, SIGHUP: ignore, SIGUSR1: ignore, SIGUSR2: ignore })
    release()
    removePidFile(config.state.dir)
    log.flush()
    // What is still under way (a connect, a probe of drush, whatever hangs in a stuck daemon) keeps nobody waiting. And a
    // process that is left to end by itself gives up its signals some milliseconds before it does.
    if (hasLeft) setImmediate(() => process.exit())
    else setTimeout(() => process.exit(), EXIT_GRACE).unref()
  }
}

function refuseRoot({ allowRoot }: QueuedOptions): void {
  if (process.geteuid?.() !== 0 || allowRoot) return
  throw new SkynetError('NOT_ALLOWED', 'Skynet does not run as root, because drush refuses root.', {
    remedy: 'Run it as the user that owns Aegir: sudo -u aegir skynet queued   (in a container: --allow-root)',
  })
}

/** A core file would hold the database password: none of our memory is to be written into one. */
function withoutCoreDumps(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // No such file, as in some containers: then the administrator's limits decide.
  }
}

function flagsOf({ verbose, set }: QueuedOptions): Flags {
  const flags: Record<string, Record<string, string>> = verbose ? { log: { level: 'debug' } } : {}
  for (const text of set) {
    const match = /^([a-z]+)\.([\w:-]+)=(.*)$/s.exec(text)
    const [, section, key, value] = match ?? []
    if (section === undefined || key === undefined || value === undefined) {
      throw new SkynetError(
        'USAGE',
        `--set takes SECTION.KEY=VALUE, such as queue.concurrent_tasks=4, not “${text.slice(0, 80)}”.`,
      )
    }
    if (key === 'passwd') {
      throw new SkynetError(
        'USAGE',
        'The password has no flag: every user of this machine could see it in the process list.',
        {
          remedy: 'Put it into skynet.conf, or into the environment as SKYNET_DATABASE_PASSWD.',
        },
      )
    }
    flags[section] = { ...flags[section], [key]: value }
  }
  return flags
}

/** The configuration to begin with; undefined when a signal ended the wait for it. @throws SkynetError */
async function firstConfiguration(
  configuration: ConfigurationFiles,
  { wait }: QueuedOptions,
  clock: Clock,
): Promise<Config | undefined> {
  const stop = new AbortController()
  const waker = new Waker(clock)
  const end = (): void => {
    stop.abort()
    waker.wake()
  }
  const ignore = (): void => undefined
  const release = wait
    ? listen({
        SIGTERM: end,
        SIGINT: end,
        SIGHUP: () => waker.wake(),
        // Left to themselves the one would open Node's debugger and the other end the process.
        SIGUSR1: ignore,
        SIGUSR2: ignore,
      })
    : ignore
  let told = ''
  try {
    while (!stop.signal.aborted) {
      const change = await configuration.look({ settings: {} })
      if (change.kind === 'applied') return change.config
      if (change.kind === 'bad') {
        if (!wait) throw change.error
        if (change.error.message !== told) {
          told = change.error.message
          process.stderr.write(`skynet: waiting for a good configuration:\n${told}\n`)
        }
      }
      await waker.wait(CONFIGURATION_INTERVAL)
    }
    return undefined
  } finally {
    release()
  }
}

async function openTheLog({ log }: Config): Promise<DaemonLog> {
  try {
    return await openLog(log, process.stdout.isTTY)
  } catch (cause) {
    throw new SkynetError(
      'CONFIG_INVALID',
      `The log file ${log.file ?? ''} cannot be opened: ${(cause as Error).message}.`,
      {
        remedy: 'Make its folder, or set [log] file to another place.',
        cause,
      },
    )
  }
}

function writePidFile(dir: string): void {
  try {
    replaceFile(join(dir, 'skynet.pid'), `${process.pid}\n`)
  } catch {
    // A full disk; supervisors know the pid anyway.
  }
}

/** Takes our pid file back, lest a script kills whoever has that number next; another leader's is left alone. */
function removePidFile(dir: string): void {
  const file = join(dir, 'skynet.pid')
  try {
    if (readPlainFile(file, 64) === `${process.pid}\n`) rmSync(file)
  } catch {
    // There is none, or it cannot be removed; a later leader replaces it.
  }
}

/** @returns a function that stops listening. */
function obeySignals(daemon: Daemon): () => void {
  let interrupted = false
  return listen({
    SIGTERM: () => daemon.stop('leave'),
    SIGINT: () => {
      daemon.stop(interrupted ? 'leave' : 'finish')
      interrupted = true
    },
    SIGHUP: () => daemon.reload(),
    SIGUSR1: () => daemon.changeLogLevel(-1),
    SIGUSR2: () => daemon.changeLogLevel(1),
  })
}

const ignore = (): void => undefined

/** @returns a function that stops listening. */
function listen(handlers: Partial<Record<NodeJS.Signals, () => void>>): () => void {
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler)
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler)
  }
}
