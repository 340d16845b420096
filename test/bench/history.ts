import { DatabaseConnection } from '../../src/hostmaster/connection.js'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import { QueueReader } from '../../src/daemon/queue-reader.js'
import type { Hostmaster } from '../sandbox/hostmaster.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { servedTo, type Served } from './counters.js'
import type { Effort } from './effort.js'
import { atMost, quantile, range, seen, type Figure } from './figure.js'
import { OLD_QUERY } from './peers.js'

const LITTLE = 1_000
const POLLS = 200

/** How many times the start-up scan and the old query are measured, in turns: once says little, on a machine with slow seconds. */
const SCANS = 3

/** Tasks that one transaction makes. */
const CHUNK = 250_000

interface Poll {
  /** Milliseconds, as the daemon sees it. */
  ms: number
  /** Milliseconds of the server. */
  busyMs: number
  rows: number
}

/** Whether the history costs anything: with the daemon's own reader, on two hostmasters of one server, in turns. */
export async function measureHistory(effort: Effort): Promise<Figure[]> {
  await using sandbox = await Sandbox.create({ databaseOptions: ['--userstat=1', '--innodb-buffer-pool-size=1G'] })
  await using little = await Polled.open(await sandbox.addHostmaster({ db: 'young', user: 'young' }), LITTLE)
  await using much = await Polled.open(sandbox.hostmaster, effort.historyTasks)
  const old: number[] = []
  const scans: number[] = []
  for (let turn = 0; turn < SCANS; turn++) {
    old.push(await time(() => much.connection.rows(OLD_QUERY)))
    scans.push(await much.scan())
  }
  await little.scan()
  await Promise.all([little.begin(), much.begin()])
  for (let now = 500; now <= POLLS * 500; now += 500) {
    await little.poll(now)
    await much.poll(now)
  }
  const [before, after] = [await little.result(), await much.result()]
  const { steps, longest } = await reconcile(much)
  const many = effort.historyTasks.toLocaleString('en')
  return [
    atMost(`poll at ${many} finished tasks ÷ poll at ${LITTLE.toLocaleString('en')}`, after.ms / before.ms, {
      most: 1.5,
      note: `${before.ms.toFixed(2)} → ${after.ms.toFixed(2)} ms, medians of ${POLLS}, in turns`,
    }),
    atMost(`poll at ${many}: server time`, after.busyMs, {
      most: 1,
      unit: ' ms',
      note: `at ${LITTLE.toLocaleString('en')}: ${before.busyMs.toFixed(2)} ms`,
    }),
    atMost(`poll at ${many}: rows read`, after.rows, { most: 3_100, isCount: true, note: 'the overlap of 1,000 vids' }),
    atMost('rows read ÷ at 1,000 finished tasks', after.rows / before.rows, { most: 1.05, isCount: true }),
    atMost(`start-up scan at ${many} ÷ one run of the old query`, quantile(scans) / quantile(old), {
      most: 1.5,
      note: `${range(scans, ' ms')}; the old query takes ${range(old, ' ms')} with every poll; medians of ${SCANS}, in turns`,
    }),
    seen('a later reconcile: its longest step', longest, ' ms', `${steps} steps, between which tasks are started`),
  ]
}

/** A hostmaster with some history, and what reads it as a daemon does. */
class Polled {
  reader = new QueueReader()
  readonly lock: string
  readonly connection: DatabaseConnection
  readonly #hostmaster: Hostmaster
  readonly #times: number[] = []
  #before: Served = { statements: 0, rowsRead: 0, busyMs: 0 }

  private constructor(hostmaster: Hostmaster, connection: DatabaseConnection) {
    this.#hostmaster = hostmaster
    this.connection = connection
    this.lock = leaderLockName(hostmaster.credentials.db)
  }

  static async open(hostmaster: Hostmaster, tasks: number): Promise<Polled> {
    const { site } = await hostmaster.hostmasterSite()
    for (let left = tasks; left > 0; left -= CHUNK) {
      await hostmaster.finishedTasks(Math.min(left, CHUNK), { object: site })
    }
    await hostmaster.query('ANALYZE TABLE hosting_task, node')
    return new Polled(hostmaster, await DatabaseConnection.open(hostmaster.credentials))
  }

  /** The first poll of a daemon that has just started. @returns milliseconds. */
  scan(): Promise<number> {
    this.reader = new QueueReader()
    return time(() => this.reader.poll(this.connection, this.lock, 0))
  }

  async begin(): Promise<void> {
    this.#before = await servedTo(this.#hostmaster)
  }

  async poll(now: number): Promise<void> {
    this.#times.push(await time(() => this.reader.poll(this.connection, this.lock, now)))
  }

  async result(): Promise<Poll> {
    const after = await servedTo(this.#hostmaster)
    return {
      ms: quantile(this.#times),
      busyMs: (after.busyMs - this.#before.busyMs) / POLLS,
      rows: (after.rowsRead - this.#before.rowsRead) / POLLS,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection.close()
  }
}

/** Vids that one step of a reconcile takes, as the reader has it. */
const STEP = 20_000

/** The whole table once more, while the daemon goes on. */
async function reconcile({ reader, connection, lock }: Polled): Promise<{ steps: number; longest: number }> {
  const times: number[] = []
  const steps = Math.ceil(reader.mirror.mark / STEP)
  // Later than any interval of the reader's.
  let now = 3_600_000
  for (let step = 0; step < steps; step++) times.push(await time(() => reader.poll(connection, lock, (now += 500))))
  return { steps, longest: Math.max(...times) }
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
