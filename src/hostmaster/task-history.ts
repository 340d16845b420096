import type { DatabaseConnection } from './connection.js'

/** Ended tasks that a median is taken from: the latest, because sites grow and machines change. */
const LATEST_VIDS = 50_000

/** How long the latest tasks of each type took, in whole seconds (`delta`); types that never ran are missing. */
export async function readDurations(connection: DatabaseConnection): Promise<Map<string, number[]>> {
  const rows = await connection.rows<{ type: string; delta: number }>(
    `SELECT LEFT(t.task_type, 64) AS type, t.delta
      FROM hosting_task t
      WHERE t.vid > GREATEST(0, (SELECT CAST(MAX(vid) AS SIGNED) FROM hosting_task) - ${LATEST_VIDS})
        AND t.task_status IN (1, 2, 3) AND t.delta IS NOT NULL`,
  )
  const durations = new Map<string, number[]>()
  for (const { type, delta } of rows) {
    const known = durations.get(type)
    if (known) known.push(delta)
    else durations.set(type, [delta])
  }
  return durations
}

export interface TaskEnd {
  status: number | null
  /** Seconds since 1970; null: it was never started. */
  executed: number | null
  /** Seconds; null: it was not timed. */
  delta: number | null
  /** The first message of type error or failed, cut; null: there is none. Data of clients, and it may hold secrets. */
  error: string | null
}

/** What became of a task; undefined: there is none of that nid. */
export async function readTaskEnd(connection: DatabaseConnection, nid: number): Promise<TaskEnd | undefined> {
  const rows = await connection.rows<TaskEnd>(
    `SELECT t.task_status AS status, t.executed, t.delta,
        (SELECT LEFT(l.message, 500) FROM hosting_task_log l
          WHERE l.vid = t.vid AND l.type IN ('error', 'failed') ORDER BY l.lid LIMIT 1) AS error
      FROM node n JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
      WHERE n.nid = ? AND n.type = 'task'`,
    [nid],
  )
  return rows[0]
}
