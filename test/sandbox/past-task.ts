import type { ResultSetHeader } from 'mysql2/promise'
import type { Hostmaster } from './hostmaster.js'
import { insert, insertRevision, insertTask, type QueuedTask } from './node-rows.js'

export interface PastTask {
  object: number
  type: string
  /** Seconds since 1970. */
  queued: number
  /** Whole seconds from queued to started; undefined: it never was. */
  waited?: number
  /** Whole seconds; undefined: it did not come to its end. */
  took?: number
  status: number
  arguments?: Record<string, string>
  /** Type, message and name of the error of each log row, and how many seconds after the start. */
  log?: [type: string, message: string, after?: number, error?: string][]
}

/** A task as it stands in Aegir's tables long after its end, with times of its own. */
export function pastTask(hostmaster: Hostmaster, spec: PastTask): Promise<QueuedTask> {
  const { object, type, queued, waited, took, status, log = [] } = spec
  return hostmaster.transaction(async (connection) => {
    const args = spec.arguments ?? {}
    const { nid, vid: queuedVid } = await insertTask(connection, { object, type, arguments: args, changed: queued })
    const started = queued + (waited ?? 0)
    let vid = queuedVid
    if (waited === undefined) {
      await connection.query<ResultSetHeader>('UPDATE hosting_task SET task_status = ? WHERE vid = ?', [status, vid])
    } else {
      vid = await insertRevision(connection, nid, `${type} of ${object}`, started)
      const row = {
        vid,
        nid,
        task_type: type,
        rid: object,
        task_status: status,
        executed: started,
        delta: took ?? null,
      }
      await insert(connection, 'hosting_task', row)
      for (const [name, value] of Object.entries(args)) {
        await insert(connection, 'hosting_task_arguments', { vid, nid, name, value })
      }
      await connection.query('UPDATE node SET vid = ?, changed = ? WHERE nid = ?', [vid, started, nid])
    }
    for (const [logType, message, after = 0, error = ''] of log) {
      await insert(connection, 'hosting_task_log', {
        vid,
        nid,
        type: logType,
        message,
        error,
        timestamp: started + after,
      })
    }
    return { nid, vid }
  })
}
