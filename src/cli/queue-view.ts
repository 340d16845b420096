import type { Config } from '../config/schema.js'
import { OwnPauses, isWholeQueue, type OwnPause } from '../daemon/pause.js'
import { haltOf, pauseOf, type Pause } from '../daemon/pauses.js'
import { ForeignRuns } from '../daemon/foreign-runs.js'
import { QueueReader } from '../daemon/queue-reader.js'
import type { Status } from '../daemon/status.js'
import { TopologyReader } from '../daemon/topology-reader.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { leaderLockName } from '../hostmaster/leader-lock.js'
import { ProcessTable } from '../runner/process-table.js'
import { isPhpTrue } from '../hostmaster/php-value.js'
import type { Variables } from '../hostmaster/variables.js'
import type { Halt, PlanInput, RunningTask } from '../scheduler/plan.js'
import { withDatabase, type DatabaseView } from './database-view.js'

/** The queue as a verb sees it that reads the database itself, with what the daemon adds when it runs. */
export interface QueueView extends DatabaseView {
  input: PlanInput
  /** The pause of the whole queue that keeps all of it waiting; undefined: there is none. */
  paused: Halt | undefined
  highestVid: number
}

/** Opens the database, hands the view to `use`, and closes it. @throws SkynetError */
export function withQueueView<Result>(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
  use: (view: QueueView) => Promise<Result>,
): Promise<Result> {
  return withDatabase(file, environment, async (view) => use(await queueView(view)))
}

/** Reads the queue for a verb that has opened the database already. @throws DatabaseError */
export async function queueView(view: DatabaseView): Promise<QueueView> {
  return { ...view, ...(await readQueue(view.connection, view.config, view.status)) }
}

async function readQueue(
  connection: DatabaseConnection,
  config: Config,
  status: Status | undefined,
): Promise<Pick<QueueView, 'input' | 'paused' | 'highestVid'>> {
  const reader = new QueueReader()
  const extraTypes = new Map(Object.entries(config.locks))
  const { variables } = await reader.poll(connection, leaderLockName(config.database.db), performance.now())
  const known = await new TopologyReader().refresh(connection, null, extraTypes, Date.now())
  const own = new OwnPauses(config.state.dir).list(Date.now())
  const pausesOfTasks = status?.paused_tasks ?? own.filter((pause) => !isWholeQueue(pause))
  const parked = new Map(status?.parked.map(({ nid, until }) => [nid, until]))
  const running = runningTasks(reader, status)
  const isRunning = new Set(running.map(({ nid }) => nid))
  const waiting = [...reader.mirror.waiting.values()].filter((task) => !isRunning.has(task.nid))
  const input: PlanInput = {
    ...known,
    waiting: waiting.map((task) => {
      const until = parked.get(task.nid)
      const paused = pauseOf(task, pausesOfTasks)
      return { ...task, ...(until === undefined ? {} : { parkedUntil: until }), ...(paused ? { paused } : {}) }
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
  const [pause] = status?.paused ?? pausesOfQueue(own, config, variables)
  return { input, paused: pause && haltOf(pause), highestVid: reader.mirror.mark }
}

/** What pauses the queue of a daemon that does not run; since when another one than ours does is known to nobody. */
function pausesOfQueue(own: OwnPause[], config: Config, variables: Variables): Pause[] {
  const others = { since: 0, until: null }
  return [
    ...own.filter(isWholeQueue),
    ...(config.queue.paused ? [{ by: 'skynet.conf', ...others, reason: '[queue] paused = yes' }] : []),
    ...(isPhpTrue(variables.hosting_queued_paused)
      ? [{ by: 'Aegir', ...others, reason: 'the variable hosting_queued_paused is set' }]
      : []),
  ]
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
