import { spawn } from 'node:child_process'
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_OPTIONS } from '../../src/config/node-options.js'
import { asAccount } from './account.js'
import { DaemonProcess, type ProcessSpec } from './daemon-process.js'
import { DatabaseServer } from './database-server.js'
import { Hostmaster, type Credentials } from './hostmaster.js'
import { copyInstall, sharedInstall, type Install } from './install.js'
import { Journal, type JournalEntry } from './journal.js'
import { FollowedVerb } from './followed-verb.js'
import { SandboxFolder } from './sandbox-folder.js'
import { PseudoTerminal } from './pseudo-terminal.js'
import { waitFor, type WaitOptions } from './wait-for.js'

/** What the stand-in drush reads from its home at each start. */
export interface DrushConfig {
  aliases: Record<string, Credentials>
  journal: string
  /** Between drush's look at the task's status and its save of a new one: the room for a double. */
  guard_gap_ms?: number
  /** Between the saving and the starting of `hosting-task CONTEXT TYPE`; 5 unless given. */
  inline_gap_ms?: number
  /** What is wrong with the machine, for every drush. */
  refuse_all?: 'load' | 'alias' | 'database'
  /** The load average that it is to complain of. */
  load?: number
  /** Tasks that it does not get to, without touching them. */
  refuse_nids?: number[]
  /** Other drush commands of the hostmaster site, such as `hosting-dispatch`. */
  commands?: Record<string, { ms?: number; until?: string; print?: string; exit?: number; leave_ms?: number }>
  /** The hostmaster site that Skynet's module stands in. */
  site?: { root: string; uri: string; aegir_root: string; web_group: number }
  /** Time passes `speed` times as fast from `origin` (seconds since 1970) on. */
  clock?: { origin: number; speed: number }
}

export type ConfigSections = Record<string, Record<string, string | number | boolean>>

export interface CommandResult {
  stdout: string
  stderr: string
  code: number | null
  signal: NodeJS.Signals | null
}

export interface SandboxOptions {
  /** Password of the hostmaster's database user. */
  passwd?: string
  db?: string
  user?: string
  /** Where the nids begin; unless given, they are those of no other sandbox. */
  firstNid?: number
  /** Further options of mariadbd. */
  databaseOptions?: string[]
  /** A copy of Skynet of its own, that the test may damage. */
  ownInstall?: boolean
}

/** A machine with Aegir on it, as far as Skynet sees one: home, database with one hostmaster, drush; and Skynet itself. */
export class Sandbox {
  readonly folder: SandboxFolder
  readonly database: DatabaseServer
  readonly hostmaster: Hostmaster
  readonly install: Install
  readonly journalFile: Journal
  readonly daemons: DaemonProcess[] = []
  #drush: DrushConfig
  readonly #hostmasters: Hostmaster[] = []

  private constructor(folder: SandboxFolder, database: DatabaseServer, hostmaster: Hostmaster, install: Install) {
    this.folder = folder
    this.database = database
    this.hostmaster = hostmaster
    this.install = install
    this.#hostmasters.push(hostmaster)
    this.journalFile = new Journal(folder.writeFile('journal', ''))
    this.#drush = { aliases: { hostmaster: hostmaster.credentials }, journal: this.journalFile.path }
  }

  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const { databaseOptions = [], ownInstall = false, ...credentials } = options
    const folder = SandboxFolder.create()
    try {
      const install = ownInstall ? copyInstall(folder) : sharedInstall()
      const database = await DatabaseServer.create(folder, { options: databaseOptions })
      const hostmaster = await Hostmaster.create(database, credentials)
      const sandbox = new Sandbox(folder, database, hostmaster, install)
      sandbox.#prepare()
      return sandbox
    } catch (error) {
      await folder.close()
      throw error
    }
  }

  get home(): string {
    return this.folder.home
  }

  /** The folder of `skynet.conf`. */
  get configFolder(): string {
    return join(this.home, 'config/skynet')
  }

  /** What Skynet is started with; the stand-in drush comes first in PATH. */
  get environment(): Record<string, string> {
    return this.folder.environment
  }

  /** Another hostmaster on the same server, closed with the sandbox. */
  async addHostmaster(options: { db: string; user?: string; passwd?: string }): Promise<Hostmaster> {
    const hostmaster = await Hostmaster.create(this.database, options)
    this.#hostmasters.push(hostmaster)
    return hostmaster
  }

  /**
   * Writes `skynet.conf` (or another file beside it) with mode 0600. Without a `database` section of its own it gets the
   * credentials of the sandbox's hostmaster; other sections are written as they are.
   */
  writeConfig(sections: ConfigSections = {}, { file = 'skynet.conf', mode = 0o600 } = {}): string {
    const all = file === 'skynet.conf' ? { database: this.databaseSection(), ...sections } : sections
    return this.folder.writeFile(join('home/config/skynet', file), this.#text(all), mode)
  }

  #text(sections: ConfigSections): string {
    const parts = Object.entries(sections).map(([name, keys]) => {
      const lines = Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(String(value))}\n`)
      return `[${name}]\n${lines.join('')}`
    })
    return parts.join('\n')
  }

  /** The `[database]` section for a hostmaster, over TCP. */
  databaseSection({ credentials }: Pick<Hostmaster, 'credentials'> = this.hostmaster): Record<string, string | number> {
    const { host, port, db, user, passwd } = credentials
    return { host, port, db, user, passwd }
  }

  /** Changes what the stand-in drush does from its next start on; a key set to undefined goes. */
  configureDrush(changes: { [Key in keyof DrushConfig]?: DrushConfig[Key] | undefined }): void {
    this.#drush = { ...this.#drush, ...changes } as DrushConfig
    this.folder.writeFile('home/.drush-sandbox.json', JSON.stringify(this.#drush), 0o600)
  }

  /**
   * Makes another home beside the first one, as on another machine: a drush and a Skynet there, once they are given it as
   * HOME, have this hostmaster and this `skynet.conf`. @returns its path.
   */
  addHome(name: string, { credentials }: Hostmaster, sections: ConfigSections): string {
    for (const folder of ['', '/config']) this.folder.makeFolder(`${name}${folder}`)
    this.folder.makeFolder(`${name}/config/skynet`, 0o700)
    this.folder.writeFile(
      `${name}/config/skynet/skynet.conf`,
      this.#text({ database: this.databaseSection({ credentials }), ...sections }),
      0o600,
    )
    const drush = { ...this.#drush, aliases: { ...this.#drush.aliases, hostmaster: credentials } }
    this.folder.writeFile(`${name}/.drush-sandbox.json`, JSON.stringify(drush), 0o600)
    return join(this.folder.path, name)
  }

  /** Starts `skynet queued` in the foreground. */
  startDaemon(args: string[] = [], env: Record<string, string> = {}, nodeOptions: string[] = []): DaemonProcess {
    const words = [...NODE_OPTIONS, ...nodeOptions, this.install.main, 'queued', ...args]
    const daemon = new DaemonProcess(this.#spec(this.install.node, words, env))
    this.daemons.push(daemon)
    return daemon
  }

  /**
   * Starts the daemon with a clock that runs `speed` times as fast; its configuration is counted by that clock too.
   * fast-daemon.mjs says what else `others` may hold.
   */
  startFastDaemon(speed: number, args: string[] = [], others: Record<string, string> = {}): DaemonProcess {
    const env = { SANDBOX_CLOCK_SPEED: String(speed), ...others }
    const daemon = new DaemonProcess(this.#spec(this.install.node, [this.install.fastDaemon, ...args], env))
    this.daemons.push(daemon)
    return daemon
  }

  /** Starts `skynet queued` with a clock that runs faster, for the stand-in drush as well. */
  startAccelerated(clock: { origin: number; speed: number }): DaemonProcess {
    this.configureDrush({ clock })
    const program = join(this.install.root, 'test/sandbox/accelerated-daemon.mjs')
    const daemon = new DaemonProcess(this.#spec(this.install.node, [program], { SANDBOX_CLOCK: JSON.stringify(clock) }))
    this.daemons.push(daemon)
    return daemon
  }

  /** Runs a verb of Skynet to its end. */
  skynet(args: string[], env: Record<string, string> = {}): Promise<CommandResult> {
    return this.run(this.install.node, [...NODE_OPTIONS, this.install.main, ...args], env)
  }

  /** Starts a verb of Skynet that goes on. */
  followSkynet(args: string[], env: Record<string, string> = {}): FollowedVerb {
    return new FollowedVerb(this.#spec(this.install.node, [...NODE_OPTIONS, this.install.main, ...args], env))
  }

  /** Starts a program in a terminal, as the sandbox's user in its home. */
  terminal(command: string, env: Record<string, string> = {}): PseudoTerminal {
    return new PseudoTerminal(this.#spec(command, [], env))
  }

  /** Runs the stand-in drush to its end. */
  drush(args: string[], env: Record<string, string> = {}): Promise<CommandResult> {
    return this.run(this.install.drush, args, env)
  }

  /** Runs any program as the sandbox's user in its home. */
  run(command: string, args: string[], env: Record<string, string> = {}): Promise<CommandResult> {
    const { command: file, args: words, ...options } = this.#spec(command, args, env)
    const child = spawn(file, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const result = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text))
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ ...result, code, signal }))
    })
  }

  journal(): JournalEntry[] {
    return this.journalFile.read()
  }

  waitForJournal(
    fits: (entry: JournalEntry) => boolean,
    options: { what?: string; timeoutMs?: number } = {},
  ): Promise<JournalEntry> {
    return this.journalFile.waitFor(fits, options)
  }

  /** Asks until there is an answer; a failure ends with the last words of the daemons. */
  waitFor<Found>(
    look: () => Found | Promise<Found>,
    options: WaitOptions,
  ): Promise<Exclude<Found, false | null | undefined>> {
    return waitFor(look, { lastSeen: () => this.daemons.map((daemon) => daemon.lastWords()).join('\n'), ...options })
  }

  /** Waits until a task's current row has one of these statuses. */
  waitForStatus(nid: number, statuses: number | number[], timeoutMs = 10_000): Promise<number> {
    const wanted = [statuses].flat()
    return this.waitFor(
      async () => {
        const status = await this.hostmaster.currentStatus(nid)
        return typeof status === 'number' && wanted.includes(status) ? status : undefined
      },
      { what: `task ${nid} to have status ${wanted.join(' or ')}`, timeoutMs },
    )
  }

  /** Ends everything that lives in the sandbox and removes it; may be called twice. */
  async close(): Promise<void> {
    // The server goes first: to say goodbye to one that is frozen would last for ever.
    await this.folder.close()
    await Promise.allSettled(this.#hostmasters.map((hostmaster) => hostmaster.close()))
    await Promise.allSettled(this.daemons.map((daemon) => daemon.exited))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #prepare(): void {
    this.folder.makeFolder('home/config')
    this.folder.makeFolder('home/config/skynet', 0o700)
    this.folder.makeFolder('bin')
    this.linkDrush()
    this.configureDrush({})
  }

  /** Lets the tasks end whose argument `sandbox_until` has this name. */
  release(name: string): void {
    this.folder.writeFile(`home/${name}`, '')
  }

  /** Puts the stand-in drush into PATH; a test may have put something else there. */
  linkDrush(target = this.install.drush): void {
    const link = join(this.folder.path, 'bin/drush')
    rmSync(link, { force: true })
    symlinkSync(target, link)
  }

  #spec(command: string, args: string[], env: Record<string, string>): ProcessSpec {
    return { command, args, cwd: this.home, env: { ...this.environment, ...env }, ...asAccount(this.folder.account) }
  }
}
