import type { DatabaseConnection } from './connection.js'
import { claimName } from './run-queries.js'

/**
 * What became of a cancellation: `changed`: the task is no longer queued under this vid; `claimed`: a run is just being
 * made of this queueing.
 */
export type CancelResult = 'cancelled' | 'changed' | 'claimed'

/**
 * Cancels a waiting task as Aegir does: a warning row in its log, and the same vid goes from 0 to 3. The locks on the
 * task's row and on the claim's name make sure that of this and a daemon's claim one comes first: a claim is granted
 * only while the status is 0.
 */
export async function cancelWaitingTask(
  connection: DatabaseConnection,
  { nid, vid }: { nid: number; vid: number },
  message: string,
  now: number,
): Promise<CancelResult> {
  return connection.transaction(async () => {
    const current = await connection.rows<{ status: number | null }>(
      `SELECT t.task_status AS status FROM node n JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
        WHERE n.nid = ? AND n.vid = ? FOR UPDATE`,
      [nid, vid],
    )
    if (current[0]?.status !== 0) return 'changed'
    const claim = 'SELECT name FROM semaphore WHERE name = ? FOR UPDATE'
    if ((await connection.rows(claim, [claimName(vid)])).length > 0) return 'claimed'
    await connection.change(
      `INSERT INTO hosting_task_log (vid, nid, type, message, error, timestamp) VALUES (?, ?, 'warning', ?, '', ?)`,
      [vid, nid, message, Math.floor(now / 1000)],
    )
    await connection.change('UPDATE hosting_task SET task_status = 3 WHERE vid = ? AND task_status = 0', [vid])
    return 'cancelled'
  })
}
