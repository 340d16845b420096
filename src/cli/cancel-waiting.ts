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
import { readTask, type TaskRow } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { ProcessTable } from '../runner/process-table.js'
import { openRunStore } from './doctor/open-run-store.js'
import type { VerbResult } from './json-answer.js'
import { withOpenDatabase } from './open-database.js'

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
    if (!task) throw new SkynetError('FAILED', `There is no task ${nid}: no node of type task has this nid.`)
    await refuseWhereWorked(connection, task, config, isDaemonThere)
    const why = printable(reason).trim()
    const message = `Skynet: an administrator cancelled this task before it was started${why === '' ? '.' : `: ${why}`}`
    switch (await cancelWaitingTask(connection, task, message, Date.now())) {
      case 'changed':
      case 'claimed':
        throw new SkynetError('FAILED', `Task ${nid} is just being started; nothing was done.`, {
          remedy: 'Run the command again.',
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
  if (status !== TASK_STATUS.queued && status !== TASK_STATUS.processing) {
    throw new SkynetError('FAILED', `Task ${nid} has ended already (${nameOfStatus(status)}).`)
  }
  const { dir } = config.state
  const processes = new ProcessTable()
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
      if (work.pid === undefined && status === TASK_STATUS.queued) return
      throw new SkynetError('FAILED', `Task ${nid} is just being started, or has just ended; nothing was done.`, {
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
      if (status === TASK_STATUS.queued) return
      throw new SkynetError('FAILED', `Task ${nid} is stuck: it is processing, but no process of it is alive.`, {
        remedy: `To end it: skynet fail ${nid} --reason …`,
      })
  }
}

/** Its next poll need not look at a row that keeps its vid. */
async function tellDaemon(config: Config, { nid, vid }: TaskRow): Promise<void> {
  const question = { verb: 'forget' as const, nid, vid }
  await askDaemon(join(config.state.dir, 'control.sock'), question).catch(() => undefined)
}
