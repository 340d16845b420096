import { SkynetError } from '../config/skynet-error.js'
import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { askDaemon } from '../daemon/control-client.js'
import { databaseAddress } from '../daemon/database-address.js'
import { ForeignRuns } from '../daemon/foreign-runs.js'
import { QueueReader } from '../daemon/queue-reader.js'
import type { Status } from '../daemon/status.js'
import { TopologyReader } from '../daemon/topology-reader.js'
import { DatabaseConnection, DatabaseError } from '../hostmaster/connection.js'
import { leaderLockName } from '../hostmaster/leader-lock.js'
import { ProcessTable } from '../runner/process-table.js'
import type { PlanInput, RunningTask } from '../scheduler/plan.js'
import { join } from 'node:path'

/** The queue as a verb sees it that reads the database itself, with what the daemon adds when it runs. */
export interface QueueView {
  config: Config
  connection: DatabaseConnection
  /** undefined: it does not run. */
  status: Status | undefined
  input: PlanInput
  highestVid: number
}

/** Opens the database, hands the view to `use`, and closes it. @throws SkynetError */
export async function withQueueView<Result>(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
  use: (view: QueueView) => Promise<Result>,
): Promise<Result> {
  const { config } = await loadConfig({ file, environment })
  let connection: DatabaseConnection | undefined
  try {
    connection = await DatabaseConnection.open(await databaseAddress(config))
    const status = await statusIfRunning(config)
    return await use({ config, connection, status, ...(await readQueue(connection, config, status)) })
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    throw new SkynetError('DATABASE_UNREACHABLE', `The database cannot be read: ${error.message}.`, { cause: error })
  } finally {
    await connection?.close()
  }
}

async function statusIfRunning(config: Config): Promise<Status | undefined> {
  try {
    return (await askDaemon(join(config.state.dir, 'control.sock'), { verb: 'status' })) as Status
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return undefined
    throw error
  }
}

async function readQueue(
  connection: DatabaseConnection,
  config: Config,
  status: Status | undefined,
): Promise<Pick<QueueView, 'input' | 'highestVid'>> {
  const reader = new QueueReader()
  const extraTypes = new Map(Object.entries(config.locks))
  await reader.poll(connection, leaderLockName(config.database.db), performance.now())
  const known = await new TopologyReader().refresh(connection, null, extraTypes, Date.now())
  const parked = new Map(status?.parked.map(({ nid, until }) => [nid, until]))
  const running = runningTasks(reader, status)
  const isRunning = new Set(running.map(({ nid }) => nid))
  const waiting = [...reader.mirror.waiting.values()].filter((task) => !isRunning.has(task.nid))
  const input: PlanInput = {
    ...known,
    waiting: waiting.map((task) => {
      const until = parked.get(task.nid)
      return until === undefined ? task : { ...task, parkedUntil: until }
    }),
    running,
    extraTypes,
    now: Date.now(),
    limits: {
      concurrentTasks: status?.slots ?? config.queue.concurrent_tasks,
      runsPerWebServer: config.limits.runs_per_web_server,
      siteVerifiesPerPlatform: config.limits.site_verifies_per_platform,
      settle: config.queue.settle,
    },
  }
  return { input, highestVid: reader.mirror.mark }
}

/** Processing tasks by what the daemon and the process table say of them. */
function runningTasks(reader: QueueReader, status: Status | undefined): RunningTask[] {
  const own = new Map(status?.running.map((run) => [run.nid, run]))
  const { processing, waiting } = reader.mirror
  const foreign = new ForeignRuns(new ProcessTable())
  const others = [...processing.values()].filter(({ nid }) => !own.has(nid))
  // Two looks: after one, a task without a process is not yet known to be stuck.
  for (let look = 0; look < 2; look += 1) foreign.look(others, new Map(), () => undefined)
  const ours = [...own.values()].flatMap((run): RunningTask[] => {
    const task = processing.get(run.nid) ?? waiting.get(run.nid)
    return task ? [{ ...task, kind: run.state === 'orphaned' ? 'orphaned' : 'own', startedAt: run.since }] : []
  })
  return [
    ...ours,
    ...foreign.all.map(({ task, is }): RunningTask => ({ ...task, kind: is.kind === 'stuck' ? 'stuck' : 'foreign' })),
  ]
}
