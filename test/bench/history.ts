import { DatabaseConnection } from '../../src/hostmaster/connection.js'
import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
import { QueueReader } from '../../src/daemon/queue-reader.js'
import { servedTo } from './counters.js'
import { Sandbox } from '../sandbox/sandbox.js'
import type { Effort } from './effort.js'
import { atMost, quantile, seen, type Figure } from './figure.js'
import { OLD_QUERY } from './peers.js'

const LITTLE = 1_000
const POLLS = 200

interface Poll {
  /** Milliseconds, as the daemon sees it. */
  ms: number
  /** Milliseconds of the server. */
  busyMs: number
  rows: number
}

/** Whether the history costs anything: with the daemon's own reader, on a hostmaster of its own. */
export async function measureHistory(effort: Effort): Promise<Figure[]> {
  await using sandbox = await Sandbox.create({ databaseOptions: ['--userstat=1', '--innodb-buffer-pool-size=1G'] })
  const { hostmaster } = sandbox
  const { site } = await hostmaster.hostmasterSite()
  await hostmaster.finishedTasks(LITTLE, { object: site })
  const { port: _port, ...credentials } = hostmaster.credentials
  const connection = await DatabaseConnection.open({ ...credentials, port: 0 })
  try {
    const lock = leaderLockName(credentials.db)
    const little = await poll(sandbox, connection, lock)
    for (let left = effort.historyTasks - LITTLE; left > 0; left -= 250_000) {
      await hostmaster.finishedTasks(Math.min(left, 250_000), { object: site })
    }
    await hostmaster.query('ANALYZE TABLE hosting_task, node')
    const old = await time(() => connection.rows(OLD_QUERY))
    const scan = await time(() => new QueueReader().poll(connection, lock, 0))
    const much = await poll(sandbox, connection, lock)
    const { steps, longest } = await reconcile(connection, lock)
    const many = effort.historyTasks.toLocaleString('en')
    return [
      atMost(`poll at ${many} finished tasks ÷ poll at ${LITTLE.toLocaleString('en')}`, much.ms / little.ms, {
        most: 1.5,
        note: `${little.ms.toFixed(2)} → ${much.ms.toFixed(2)} ms, median of ${POLLS}`,
      }),
      atMost(`poll at ${many}: server time`, much.busyMs, { most: 1, unit: ' ms' }),
      atMost(`poll at ${many}: rows read`, much.rows, { most: 3_100, isCount: true, note: 'the overlap of 1,000 vids' }),
      atMost('rows read ÷ at 1,000 finished tasks', much.rows / little.rows, { most: 1.05, isCount: true }),
      atMost(`start-up scan at ${many} ÷ one run of the old query`, scan / old, {
        most: 1.5,
        note: `${scan.toFixed(0)} ms; the old query takes ${old.toFixed(0)} ms with every poll`,
      }),
      seen('a later reconcile: its longest step', longest, ' ms', `${steps} steps, between which tasks are started`),
    ]
  } finally {
    await connection.close()
  }
}

async function poll(sandbox: Sandbox, connection: DatabaseConnection, lock: string): Promise<Poll> {
  const reader = new QueueReader()
  let now = 0
  await reader.poll(connection, lock, now)
  const times: number[] = []
  const before = await servedTo(sandbox.hostmaster)
  for (let count = 0; count < POLLS; count++) times.push(await time(() => reader.poll(connection, lock, (now += 500))))
  const after = await servedTo(sandbox.hostmaster)
  return {
    ms: quantile(times),
    busyMs: (after.busyMs - before.busyMs) / POLLS,
    rows: (after.rowsRead - before.rowsRead) / POLLS,
  }
}

/** Vids that one step of a reconcile takes, as the reader has it. */
const STEP = 20_000

/** The whole table once more, while the daemon goes on. */
async function reconcile(connection: DatabaseConnection, lock: string): Promise<{ steps: number; longest: number }> {
  const reader = new QueueReader()
  await reader.poll(connection, lock, 0)
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
