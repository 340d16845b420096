import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { claimOrigin } from '../daemon/run-claim.js'
import { findWork, type TaskWork } from '../daemon/task-work.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { claimName, markTaskFailed, readClaims } from '../hostmaster/run-queries.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { readTask, type TaskRow } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { ProcessTable } from '../runner/process-table.js'
import { openRunStore } from './doctor/open-run-store.js'
import { withOpenDatabase } from './open-database.js'
import type { VerbContext } from './program.js'
import { taskNumber } from './task-number.js'

export interface FailOptions {
  config_file?: string
  reason: string
  json?: boolean
}

/**
 * `skynet fail NID --reason …`: ends a task that is stuck, the one way that keeps Aegir's rules. Works with and without
 * a daemon. @returns the exit status. @throws SkynetError
 */
export async function fail(nid: string, options: FailOptions, context: VerbContext): Promise<number> {
  try {
    const task = await failTask(taskNumber(nid), reasonOf(options), options.config_file, context.environment)
    const { type, object, vid } = task
    const answer = { ok: true, nid: task.nid, vid, type: printable(type), object: printable(object), status: 'error' }
    process.stdout.write(
      options.json
        ? `${JSON.stringify(answer)}\n`
        : `Task ${task.nid} (${answer.type} ${answer.object}) has failed now, for Aegir too. What it had begun may be half done: look, then retry it in Aegir.\n`,
    )
    return 0
  } catch (error) {
    if (!options.json || !(error instanceof SkynetError)) throw error
    const { code, message, remedy = null, exitStatus } = error
    process.stdout.write(`${JSON.stringify({ ok: false, code, message, remedy })}\n`)
    return exitStatus
  }
}

async function failTask(
  nid: number,
  reason: string,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<TaskRow> {
  const { config } = await loadConfig({ file, environment })
  return withOpenDatabase(config, `Task ${nid} was not changed`, async (connection) => {
    const task = await readTask(connection, nid)
    if (!task) throw new SkynetError('FAILED', `There is no task ${nid}: no node of type task has this nid.`)
    if (task.status !== TASK_STATUS.processing) throw notProcessing(task)
    await refuseWhereWorked(connection, task, config)
    const message = `Skynet: marked as failed by an administrator: ${reason}. The task was processing, but no process of it was alive any more. What it had begun may be half done.`
    const row = { nid, vid: task.vid, status: TASK_STATUS.processing }
    if (await markTaskFailed(connection, row, message, Date.now())) return task
    throw new SkynetError('FAILED', `Task ${nid} has just been changed by somebody else; nothing was done.`, {
      remedy: 'Look at it in Aegir, or run the command again.',
    })
  })
}

/** @throws SkynetError unless it is certain, as far as this machine can see, that nobody is at work on the task. */
async function refuseWhereWorked(connection: DatabaseConnection, task: TaskRow, config: Config): Promise<void> {
  const processes = new ProcessTable()
  const { dir } = config.state
  const store = openRunStore(dir)
  const sources = { store, processes, origin: claimOrigin(processes, dir), claims: await readClaims(connection) }
  const [work = { kind: 'nobody' as const }] = await findWork([task], sources)
  const refusal = await refusalOf(task, work, dir)
  if (refusal) throw new SkynetError('FAILED', refusal.message, { remedy: refusal.remedy })
}

async function refusalOf(
  { nid }: TaskRow,
  work: TaskWork,
  dir: string,
): Promise<{ message: string; remedy: string } | undefined> {
  switch (work.kind) {
    case 'nobody':
      return undefined
    case 'process':
      return {
        message: `Task ${nid} is being worked on: process ${work.pid} is alive.`,
        remedy: `Let it end, or end it first: ps -fp ${work.pid}; kill ${work.pid}`,
      }
    case 'run': {
      const { run, pid } = work
      if (pid !== undefined) {
        return {
          message: `Task ${nid} is being worked on: process ${pid} of Skynet's run ${run} is alive.`,
          remedy: `Let it end, or end it: skynet cancel ${nid}. The daemon itself then says what became of the task.`,
        }
      }
      // Without a daemon nobody would settle the run; the next one finds the status that we give the task now.
      if (!(await daemonAnswers(dir))) return undefined
      return {
        message: `Skynet's run ${run} of task ${nid} has ended, and the daemon is about to settle it.`,
        remedy: 'Wait a moment. If it stays so, see why: skynet status',
      }
    }
    case 'elsewhere': {
      const { claim, here } = work
      const by = here ? 'another Skynet on this machine (with another state directory)' : 'a Skynet on another machine'
      return {
        message: `Task ${nid} is claimed by ${by}, which may be working on it.`,
        remedy: `Run the command there. If that one is gone for good, delete its claim first: DELETE FROM semaphore WHERE name = '${claimName(claim.vid)}'`,
      }
    }
    case 'copied':
      return {
        message: `The record of a run of task ${nid} was made on another machine, which may be working on it.`,
        remedy: `Run the command there. If that machine is gone for good, remove the record first: rm -r ${join(dir, 'runs', work.run)}`,
      }
  }
}

async function daemonAnswers(dir: string): Promise<boolean> {
  try {
    await askDaemon(join(dir, 'control.sock'), { verb: 'status' })
    return true
  } catch {
    return false
  }
}

function reasonOf({ reason }: FailOptions): string {
  const text = printable(reason).trim().replace(/\.$/, '')
  if (text !== '') return text
  throw new SkynetError('USAGE', 'A reason is needed: it stands in the log of the task, where clients of Aegir see it.')
}

function notProcessing({ nid, status }: TaskRow): SkynetError {
  const [word] = Object.entries(TASK_STATUS).find(([, number]) => number === status) ?? [`status ${String(status)}`]
  const is = word === 'queued' ? 'is still waiting' : `has ended already (${word})`
  return new SkynetError('FAILED', `Task ${nid} ${is}; only one that is processing, without a process, can be failed.`)
}
