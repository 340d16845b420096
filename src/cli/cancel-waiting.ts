import { join } from 'node:path'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { claimOrigin } from '../daemon/run-claim.js'
import { findWork } from '../daemon/task-work.js'
import { cancelWaitingTask } from '../hostmaster/cancel-queries.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { readClaims } from '../hostmaster/run-queries.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { readTaskEnd } from '../hostmaster/task-history.js'
import { readTask, type TaskRow } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { ProcessTable } from '../runner/process-table.js'
import { openRunStore } from './doctor/open-run-store.js'
import type { VerbResult } from './json-answer.js'
import { withOpenDatabase } from './open-database.js'
import { noSuchTask } from './task-number.js'

/**
 * Cancels a task that the daemon does not run, or that waits while there is no daemon.
 * @throws SkynetError why it cannot be cancelled
 */
export function cancelInDatabase(
  config: Config,
  nid: number,
  reason: string,
  isDaemonThere: boolean,
): Promise<VerbResult> {
  return withOpenDatabase(config, `Task ${nid} was not cancelled`, async (connection) => {
    const task = await readTask(connection, nid)
    if (!task) throw noSuchTask(nid)
    await refuseWhereWorked(connection, task, config, isDaemonThere)
    const why = printable(reason).trim()
    const message = `Skynet: an administrator cancelled this task before it was started${why === '' ? '.' : `: ${why}`}`
    switch (await cancelWaitingTask(connection, task, message, Date.now())) {
      case 'changed':
        throw isJustStarted(nid)
      case 'claimed':
        if (isDaemonThere) throw isJustStarted(nid)
        throw new SkynetError('DAEMON_UNREACHABLE', `A run of task ${nid} was left half made by a daemon.`, {
          remedy: 'The next daemon clears that up. Start it first (skynet queued), then run the command again.',
        })
      case 'cancelled':
        break
    }
    if (isDaemonThere) await tellDaemon(config, task)
    const about = { type: printable(task.type), object: printable(task.object) }
    return {
      answer: { nid, ...about, was: 'waiting', run: null, status: 'warning', is_new: true },
      words: `Task ${nid} (${about.type} ${about.object}) was cancelled before it was started.`,
    }
  })
}

function isJustStarted(nid: number): SkynetError {
  return new SkynetError('FAILED', `Task ${nid} is just being started; nothing was done.`, {
    remedy: 'Run the command again.',
  })
}

/** The name of a status of Aegir's; undefined: the task is gone. */
export function nameOfStatus(status: number | null | undefined): string {
  if (status === undefined) return 'deleted'
  return Object.entries(TASK_STATUS).find(([, number]) => number === status)?.[0] ?? 'unknown'
}

async function refuseWhereWorked(
  connection: DatabaseConnection,
  task: TaskRow,
  config: Config,
  isDaemonThere: boolean,
): Promise<void> {
  const { nid, status } = task
  const processes = new ProcessTable()
  if (status === TASK_STATUS.queued) {
    const pid = startingDrush(nid, processes)
    if (pid === undefined) return
    throw new SkynetError('FAILED', `Task ${nid} is just being started by process ${pid}; nothing was done.`, {
      remedy: 'Run the command again.',
    })
  }
  if (status !== TASK_STATUS.processing) {
    const isCancelled = status === TASK_STATUS.warning && (await readTaskEnd(connection, nid))?.executed === null
    if (isCancelled) throw new SkynetError('FAILED', `Task ${nid} was cancelled already.`)
    throw new SkynetError('FAILED', `Task ${nid} has ended already (${nameOfStatus(status)}).`)
  }
  const { dir } = config.state
  const claims = await readClaims(connection)
  const sources = { store: openRunStore(dir), processes, origin: claimOrigin(processes, dir), claims }
  const [work] = await findWork([task], sources)
  switch (work?.kind) {
    case 'run':
      if (work.pid !== undefined && !isDaemonThere) {
        throw new SkynetError('DAEMON_UNREACHABLE', `Task ${nid} runs (process ${work.pid}), and no daemon does.`, {
          remedy: 'A running task is cancelled by the daemon that follows it. Start it first: skynet queued',
        })
      }
      throw new SkynetError('FAILED', `Task ${nid} has just been started, or has just ended; nothing was done.`, {
        remedy: 'Run the command again.',
      })
    case 'process':
      throw new SkynetError('FAILED', `Task ${nid} is run by somebody else, process ${work.pid}.`, {
        remedy: `To end it: kill ${work.pid}`,
      })
    case 'elsewhere':
    case 'copied':
      throw new SkynetError('FAILED', `Task ${nid} belongs to a Skynet on another machine, or to another one here.`, {
        remedy: 'Run the command there.',
      })
    case 'nobody':
    case undefined:
      throw new SkynetError('FAILED', `Task ${nid} is stuck: it is processing, but no process of it is alive.`, {
        remedy: `To end it: skynet fail ${nid} --reason …`,
      })
  }
}

/**
 * A drush that was told to run this very task: until it has made the task's new revision, the old one says queued. (One
 * of the inline form makes its task itself; that is not queued for longer than a moment.)
 */
function startingDrush(nid: number, processes: ProcessTable): number | undefined {
  const isDrush = (args: string[]) => args.some((arg, at) => arg === String(nid) && args[at - 1] === 'hosting-task')
  return processes.list().find(({ pid }) => isDrush(processes.args(pid)) && processes.isOurs(pid))?.pid
}

/** Its next poll need not look at a row that keeps its vid. */
async function tellDaemon(config: Config, { nid, vid }: TaskRow): Promise<void> {
  const question = { verb: 'forget' as const, nid, vid }
  await askDaemon(join(config.state.dir, 'control.sock'), question).catch(() => undefined)
}
