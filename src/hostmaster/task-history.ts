import type { DatabaseConnection } from './connection.js'

/** So many tasks of a type took so many whole seconds (`delta`). */
export interface DurationCount {
  type: string
  seconds: number
  count: number
}

/**
 * How long the tasks with a vid in (low, high] took that got to their end; one that failed half-way says nothing about
 * how long the whole takes. Counted by the server, so that ten thousand tasks are a handful of rows.
 */
export async function readDurations(
  connection: DatabaseConnection,
  low: number,
  high: number,
): Promise<DurationCount[]> {
  return connection.rows<DurationCount>(
    `SELECT LEFT(t.task_type, 64) AS type, t.delta AS seconds, COUNT(*) AS count
      FROM hosting_task t
      WHERE t.vid > ? AND t.vid <= ? AND t.task_status IN (1, 3) AND t.task_type IS NOT NULL AND t.delta IS NOT NULL
      GROUP BY LEFT(t.task_type, 64), t.delta`,
    [low, high],
  )
}

export interface TaskEnd {
  status: number | null
  /** Seconds since 1970; null: it was never started. */
  executed: number | null
  /** Seconds; null: it was not timed. */
  delta: number | null
  /** The first message of type error or failed; null: there is none. Data of clients, and it may hold secrets. */
  error: string | null
}

/** What became of a task; undefined: there is none of that nid. */
export async function readTaskEnd(connection: DatabaseConnection, nid: number): Promise<TaskEnd | undefined> {
  const rows = await connection.rows<TaskEnd>(
    `SELECT t.task_status AS status, t.executed, t.delta,
        (SELECT LEFT(l.message, 65536) FROM hosting_task_log l
          WHERE l.vid = t.vid AND l.type IN ('error', 'failed') ORDER BY l.lid LIMIT 1) AS error
      FROM node n JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
      WHERE n.nid = ? AND n.type = 'task'`,
    [nid],
  )
  return rows[0]
}
