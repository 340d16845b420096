import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import { readQueuedWith } from '../hostmaster/retry-queries.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { sayResult } from './json-answer.js'
import { withOpenDatabase } from './open-database.js'
import type { VerbContext } from './program.js'
import type { QueueOptions } from './queue.js'
import { queueThroughAegir, type TaskDescription } from './queueing/queue-through-aegir.js'
import { queuedResult, timeoutOf } from './queueing/queued-result.js'
import { noSuchTask, taskNumber } from './task-number.js'

/**
 * `skynet retry NID`: queues a task that failed once more, with the same object, type and arguments. It is a task of its
 * own, as with Aegir's own button. @throws SkynetError
 */
export function retry(text: string, options: QueueOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    timeoutOf(options)
    const nid = taskNumber(text)
    const { config } = await loadConfig({ file: options.config_file, environment })
    const task = await readFailed(config, nid)
    const next = await queueThroughAegir(config, task, environment)
    const { answer, words, ...others } = await queuedResult(config, next, task, options)
    return { answer: { ...answer, retry_of: nid }, words: `${words} It is task ${nid} once more.`, ...others }
  })
}

async function readFailed(config: Config, nid: number): Promise<TaskDescription> {
  const task = await withOpenDatabase(config, `Task ${nid} was not queued again`, (connection) =>
    readQueuedWith(connection, nid),
  )
  if (!task) throw noSuchTask(nid)
  const { status, type, context } = task
  if (status === TASK_STATUS.queued || status === TASK_STATUS.processing) {
    const state = status === TASK_STATUS.queued ? 'still waits' : 'is still being processed'
    throw new SkynetError('FAILED', `Task ${nid} ${state}; there is nothing to retry.`, {
      remedy: `See why: skynet why ${nid}`,
    })
  }
  if (context === null) throw new SkynetError('FAILED', `The object of task ${nid} is gone.`)
  if (status === TASK_STATUS.success) {
    throw new SkynetError('FAILED', `Task ${nid} has succeeded; there is nothing to retry.`, {
      remedy: `To do the same once more: skynet queue @${context} ${type}`,
    })
  }
  return { context, type, arguments: task.arguments }
}
