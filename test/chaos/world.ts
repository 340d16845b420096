import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, watch } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonLimits } from '../../src/daemon/daemon-options.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import type { RunRecord } from '../../src/runner/run-record.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import type { JournalEntry } from '../sandbox/journal.js'
import { configure, faultsOf } from '../sandbox/leader.js'
import { Proxy } from '../sandbox/proxy.js'
import { RunRecords, type RunFolder } from '../sandbox/run-records.js'
import { Sandbox, type ConfigSections, type SandboxOptions } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { waitFor } from '../sandbox/wait-for.js'
import type { Random } from './random.js'
import type { Finding } from './scenario.js'
import { judge, type Expectations, type Verdict } from './witness.js'

export interface WorldOptions extends SandboxOptions {
  /** The way to the database leads through a proxy. */
  proxy?: boolean
}

export interface Start {
  args?: string[]
  /** How much faster its clock runs. */
  speed?: number
  limits?: Partial<DaemonLimits>
  env?: Record<string, string>
}

/** Nobody is to wait ten seconds for a connection that is known to stall. */
export const SHORT_LIMITS: Partial<DaemonLimits> = {
  database: { connect: 600, statement: 800, idleTransaction: 10_000 },
}

/** How long the end of all tasks may take on a busy machine. */
const PATIENCE = 90_000

const SITES = 12
const SERVERS = 4

/** What a scenario breaks: a sandbox with sites, its daemons, and the witness of what became of the tasks. */
export class World {
  readonly sandbox: Sandbox
  records: RunRecords
  /** Records of daemons that have a home of their own. */
  recordsElsewhere: RunRecords[] = []
  /** Starts in the journal that other records tell of. */
  startsBefore = 0
  readonly sites: readonly number[]
  readonly processes = new ProcessTable()
  readonly #proxy: Proxy | undefined
  #clockOrigin = Date.now()

  private constructor(sandbox: Sandbox, sites: number[], proxy: Proxy | undefined) {
    this.sandbox = sandbox
    this.records = new RunRecords(sandbox)
    this.sites = sites
    this.#proxy = proxy
  }

  static async create({ proxy = false, ...options }: WorldOptions = {}): Promise<World> {
    const sandbox = await Sandbox.create(options)
    const { host, port } = sandbox.database
    const world = new World(
      sandbox,
      await makeSites(sandbox, SITES, { servers: SERVERS }),
      proxy ? await Proxy.listen({ host, port }) : undefined,
    )
    await world.reset()
    return world
  }

  get proxy(): Proxy {
    if (!this.#proxy) throw new Error('This world has no proxy.')
    return this.#proxy
  }

  /** As it was at the beginning, but for what the journal and the tables remember. */
  async reset(): Promise<void> {
    await this.endDaemons()
    this.#proxy?.resume()
    this.#clockOrigin = Date.now()
    this.configure()
    // Room for a second drush between the first one's look and its save.
    this.sandbox.configureDrush({ guard_gap_ms: 40, refuse_all: undefined, refuse_nids: undefined })
    const { hostmaster } = this.sandbox
    await hostmaster.execute('DELETE FROM semaphore')
    await hostmaster.execute("DELETE FROM variable WHERE name = 'hosting_queued_paused'")
    await hostmaster.execute('UPDATE hosting_task SET task_status = 2 WHERE task_status = -1')
    rmSync(this.records.stateDirectory, { recursive: true, force: true })
  }

  /** Writes skynet.conf: four slots, a poll every 50 ms, through the proxy if there is one. */
  configure(sections: ConfigSections = {}): void {
    const database = this.sandbox.databaseSection()
    configure(this.sandbox, {
      database: this.#proxy ? { ...database, port: this.#proxy.port } : database,
      ...sections,
      queue: { concurrent_tasks: 4, ...sections['queue'] },
    })
  }

  /** Where the next daemons have their records; unless given, where they have them by default. */
  useStateDirectory(directory?: string): void {
    this.records = new RunRecords(this.sandbox, directory)
    this.startsBefore = this.sandbox.journalFile.of('start').length
  }

  start({ args = [], speed = 1, limits = {}, env = {} }: Start = {}): DaemonProcess {
    // Daemons that hand runs on to each other have one clock.
    const clock = { SANDBOX_CLOCK_ORIGIN: String(this.#clockOrigin) }
    const limited = { SANDBOX_LIMITS: JSON.stringify(limits) }
    return this.sandbox.startFastDaemon(speed, ['--wait', ...args], { ...clock, ...limited, ...env })
  }

  async lead(start: Start = {}): Promise<DaemonProcess> {
    const daemon = this.start(start)
    await daemon.waitForLog('leading', { timeoutMs: PATIENCE })
    return daemon
  }

  /** Queues verifies of sites that are drawn, each lasting some milliseconds that are drawn from `ms`. */
  async queue(
    random: Random,
    count: number,
    { ms = [0, 200], more = {} }: { ms?: [number, number]; more?: Record<string, string> } = {},
  ): Promise<number[]> {
    const nids: number[] = []
    for (let number = 0; number < count; number += 1) {
      const task = {
        object: random.pick(this.sites),
        type: 'verify',
        arguments: { sandbox_ms: String(random.between(...ms)), sandbox_log: '1', ...more },
      }
      nids.push((await this.sandbox.hostmaster.queueTask(task)).nid)
    }
    return nids
  }

  /** Resolves with the next entry of this kind in the journal, or after `limit` milliseconds with nothing. */
  async next(event: JournalEntry['event'], limit: number): Promise<JournalEntry | undefined> {
    const known = this.sandbox.journalFile.of(event).length
    return soon(() => this.sandbox.journalFile.of(event)[known], limit)
  }

  /** Resolves as soon as a run gets its folder, which is the first that happens to it. */
  async nextRun(limit: number): Promise<string | undefined> {
    const folder = `${this.records.stateDirectory}/runs`
    mkdirSync(this.records.stateDirectory, { recursive: true, mode: 0o700 })
    this.sandbox.folder.own(this.records.stateDirectory)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.sandbox.folder.own(folder)
    const known = new Set(readdirSync(folder))
    return new Promise((resolve) => {
      const end = (run?: string) => {
        clearTimeout(timer)
        watcher.close()
        resolve(run)
      }
      const watcher = watch(folder, (_event, run) => {
        if (run !== null && !known.has(run) && existsSync(`${folder}/${run}`)) end(run)
      })
      const timer = setTimeout(() => end(), limit)
    })
  }

  /** Waits until none of the tasks waits or is being processed. */
  async finished(nids: readonly number[], limit = PATIENCE): Promise<void> {
    const look = async () => {
      const open = [...(await this.statuses(nids))].filter(([, status]) => status === 0 || status === -1)
      return open.length === 0
    }
    const settled = () => this.#recordsIn('runs').every(({ nid }) => !nids.includes(nid))
    await this.sandbox.waitFor(async () => (await look().catch(() => false)) && settled(), {
      what: `the end of ${nids.length} tasks`,
      timeoutMs: limit,
      everyMs: 50,
      lastSeen: () => this.sandbox.daemons.map((daemon) => daemon.lastWords(25)).at(-1) ?? '',
    })
  }

  async statuses(nids: readonly number[]): Promise<Map<number, number | null>> {
    if (nids.length === 0) return new Map()
    const rows = await this.sandbox.hostmaster.query<{ nid: number; status: number | null }>(
      'SELECT n.nid, t.task_status AS status FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE n.nid IN (?)',
      [nids],
    )
    return new Map(rows.map(({ nid, status }) => [nid, status]))
  }

  async #begun(nids: readonly number[]): Promise<Set<number>> {
    if (nids.length === 0) return new Set()
    const rows = await this.sandbox.hostmaster.query<{ nid: number }>(
      'SELECT nid FROM hosting_task WHERE executed IS NOT NULL AND nid IN (?)',
      [nids],
    )
    return new Set(rows.map(({ nid }) => nid))
  }

  async judge(nids: readonly number[], expectations: Expectations = {}): Promise<Verdict> {
    // drush writes its last line after its last row.
    const quiet = () => this.#drushes().length === 0
    await waitFor(quiet, { what: 'the last drush to leave', timeoutMs: PATIENCE })
    const rows = { statuses: await this.statuses(nids), begun: await this.#begun(nids) }
    return judge(nids, rows, this.sandbox.journal(), expectations)
  }

  /** The finding of a scenario; says on standard error what was lost or doubled. */
  async finding(did: string, times: number, nids: readonly number[], expectations?: Expectations): Promise<Finding> {
    const { lost, doubled } = await this.judge(nids, expectations)
    const blamed = this.#recordsIn('history').filter(({ outcome }) => outcome === 'not started')
    if (blamed.length > 0) throw new Error(`Attempts were counted against tasks: ${JSON.stringify(blamed)}`)
    for (const each of lost) process.stderr.write(`lost: ${each}\n`)
    for (const each of doubled) process.stderr.write(`doubled: ${each}\n`)
    this.#tellStory([...lost, ...doubled])
    return { did, times, tasks: nids.length, lost: lost.length, doubled: doubled.length }
  }

  /** What drush's journal and the daemons' logs know of the tasks that a verdict names, for whoever looks into it. */
  #tellStory(verdict: readonly string[]): void {
    const named = new Set(verdict.flatMap((each) => (each.match(/\d{4,}/g) ?? []).map(Number)))
    const journal = this.sandbox.journal().filter(({ nid }) => named.has(nid ?? 0))
    const logs = this.sandbox.daemons.flatMap(({ logs }) => logs.filter(({ nid }) => named.has(Number(nid))))
    for (const entry of [...journal, ...logs]) process.stderr.write(`${JSON.stringify(entry)}\n`)
  }

  /** Kills a daemon and waits for its end. */
  async kill(daemon: DaemonProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    daemon.kill(signal)
    await daemon.exited
  }

  /**
   * Kills every daemon. @throws when one of them met what nobody expects: a fault of its own, or an error of the
   * database that its table does not know. `but`: messages that the scenario provoked.
   */
  async endDaemons({ but = [] }: { but?: string[] } = {}): Promise<void> {
    const daemons = this.sandbox.daemons.splice(0)
    for (const daemon of daemons) {
      daemon.kill('SIGCONT')
      daemon.kill()
    }
    await Promise.all(daemons.map((daemon) => daemon.exited))
    const faults = daemons.flatMap(faultsOf).filter(({ msg }) => !but.includes(msg))
    if (faults.length > 0) throw new Error(`A daemon met what nobody expects: ${JSON.stringify(faults, null, 1)}`)
  }

  async close(): Promise<void> {
    await this.#proxy?.close()
    await this.sandbox.close()
  }

  #recordsIn(folder: RunFolder): RunRecord[] {
    return [this.records, ...this.recordsElsewhere].flatMap((records) => records.in(folder))
  }

  /** Pids of what works on a task of this world, whoever started it. */
  #drushes(): number[] {
    const home = `HOME=${this.sandbox.folder.path}/`
    const isWork = (arg: string) => arg === 'hosting-task' || arg.startsWith('provision-')
    return this.processes
      .list()
      .map(({ pid }) => pid)
      .filter(
        (pid) => this.processes.args(pid).some(isWork) && environmentOf(pid).some((each) => each.startsWith(home)),
      )
  }
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  } catch {
    return []
  }
}

/** The first answer of `look` that is something, asked every few milliseconds; nothing after `limit` of them. */
export async function soon<Found>(look: () => Found | undefined, limit: number): Promise<Found | undefined> {
  const end = performance.now() + limit
  for (;;) {
    const found = look()
    if (found !== undefined || performance.now() >= end) return found
    await delay(4)
  }
}
