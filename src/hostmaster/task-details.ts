import type { DatabaseConnection } from './connection.js'

/** One revision of a task: its first is the queueing, each later one a run of drush. */
export interface TaskRevision {
  vid: number
  status: number | null
  /** Seconds since 1970; copied along where a retry made the task. */
  executed: number | null
  delta: number | null
}

/** Revisions that are read at most: the latest. */
const MOST = 100

/** Oldest first. @throws DatabaseError */
export async function readTaskRevisions(connection: DatabaseConnection, nid: number): Promise<TaskRevision[]> {
  const rows = await connection.rows<TaskRevision>(
    `SELECT t.vid, t.task_status AS status, t.executed, t.delta FROM hosting_task t WHERE t.nid = ?
      ORDER BY t.vid DESC LIMIT ${MOST}`,
    [nid],
  )
  return rows.reverse()
}

/** Arguments of a revision in the order of their names, each cut; clients write them, and they may be secrets. */
export async function readTaskArguments(
  connection: DatabaseConnection,
  vid: number,
): Promise<{ name: string; value: string }[]> {
  const rows = await connection.rows<{ name: string | null; value: string | null }>(
    `SELECT LEFT(a.name, 64) AS name, LEFT(a.value, 4096) AS value FROM hosting_task_arguments a WHERE a.vid = ?
      ORDER BY name`,
    [vid],
  )
  return rows.map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }))
}
