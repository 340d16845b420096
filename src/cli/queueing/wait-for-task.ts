import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../config/schema.js'
import { SkynetError } from '../../config/skynet-error.js'
import { askDaemon } from '../../daemon/control-client.js'
import { databaseAddress } from '../../daemon/database-address.js'
import { DatabaseConnection, DatabaseError } from '../../hostmaster/connection.js'
import { TASK_STATUS } from '../../hostmaster/task.js'
import { readTaskEnd } from '../../hostmaster/task-history.js'
import { readTask, type TaskRow } from '../../hostmaster/task-queries.js'
import { printable } from '../../observe/printable.js'
import { redact } from '../../runner/run-output.js'
import { LiveLine } from '../live-line.js'
import { duration } from '../duration.js'

/** How a task ended that was waited for. */
export interface WaitedEnd {
  status: 'success' | 'warning' | 'error' | 'cancelled' | 'deleted'
  tookMs: number | null
  /** The first error in its log; empty: there is none. */
  error: string
}

/** How often the task's row is read, in milliseconds; by its key. */
const INTERVAL = 300

/** How long the database may be away while a task is waited for, in milliseconds. */
const PATIENCE = 15 * 60_000

/** Waits until a task has ended, and says all the while how it stands. @throws SkynetError */
export async function waitForTask(
  config: Config,
  nid: number,
  name: string,
  limitMs: number | null,
): Promise<WaitedEnd> {
  const line = new LiveLine()
  const began = performance.now()
  let connection: DatabaseConnection | undefined
  let lostAt: number | undefined
  let queuedVid: number | undefined
  try {
    for (;;) {
      try {
        connection ??= await DatabaseConnection.open(await databaseAddress(config))
        const task = await readTask(connection, nid)
        lostAt = undefined
        if (!task) return { status: 'deleted', tookMs: null, error: '' }
        if (task.status === TASK_STATUS.queued) queuedVid = task.vid
        if (isOpen(task)) line.show(...(await standing(config, task, name)))
        else return await endOf(connection, task, queuedVid)
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error
        connection?.destroy()
        connection = undefined
        lostAt ??= performance.now()
        line.show(`${name}: the database is away; waiting for it.`)
        const isRefused = error.fault.kind === 'refused'
        if (isRefused || performance.now() - lostAt > PATIENCE) {
          throw new SkynetError(
            isRefused ? 'DATABASE_REFUSED' : 'DATABASE_UNREACHABLE',
            `How ${name} goes on is not known: ${error.message}.`,
            {
              remedy: `The task is queued, and is not lost. Later: skynet why ${nid}`,
              cause: error,
            },
          )
        }
      }
      if (limitMs !== null && performance.now() - began > limitMs) {
        throw new SkynetError('FAILED', `${name} has not ended within ${duration(limitMs)}; it goes on.`, {
          remedy: `See why: skynet why ${nid}`,
        })
      }
      await delay(INTERVAL)
    }
  } finally {
    line.end()
    await connection?.close()
  }
}

function isOpen({ status }: TaskRow): boolean {
  return status === TASK_STATUS.queued || status === TASK_STATUS.processing
}

async function standing(config: Config, task: TaskRow, name: string): Promise<[state: string, age: string]> {
  const age = `(${duration(Date.now() - task.changed * 1000)})`
  if (task.status === TASK_STATUS.processing) return [`${name} is running.`, age]
  return [`${name} waits: ${await reasonOf(config, task.nid)}`, age]
}

async function reasonOf(config: Config, nid: number): Promise<string> {
  try {
    const question = { verb: 'why' as const, nid }
    const { sentence } = (await askDaemon(join(config.state.dir, 'control.sock'), question)) as {
      sentence: string | null
    }
    if (sentence === null) return 'the daemon has yet to see it.'
    // Its process, or the name of its run, changes nothing for who waits.
    return sentence.startsWith('It is running') ? 'it is being started.' : printable(sentence)
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return 'the daemon is not running.'
    throw error
  }
}

async function endOf(connection: DatabaseConnection, task: TaskRow, queuedVid?: number): Promise<WaitedEnd> {
  const end = await readTaskEnd(connection, task.nid)
  const tookMs = end?.delta == null || task.vid === queuedVid ? null : end.delta * 1000
  const error = end?.error == null ? '' : printable(redact(end.error))
  switch (task.status) {
    case TASK_STATUS.success:
      return { status: 'success', tookMs, error: '' }
    case TASK_STATUS.warning:
      // Drush makes a new revision when it begins; who cancels leaves it as it was queued.
      return { status: task.vid === queuedVid ? 'cancelled' : 'warning', tookMs, error: '' }
    default:
      return { status: 'error', tookMs, error }
  }
}
