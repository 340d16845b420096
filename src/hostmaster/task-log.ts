import type { DatabaseConnection } from './connection.js'

/** One row of a task's own log. Clients read and influence it, and it may hold secrets. */
export interface LogRow {
  lid: number
  vid: number
  /** `notice`, `warning`, `error`, `success`, `queue`, …; modules add their own. */
  type: string
  message: string
  /** drush's name of the error; '' unless it is one. */
  error: string
  /** Seconds since 1970. */
  timestamp: number
}

const LOG_COLUMNS = 'l.lid, l.vid, l.type, LEFT(l.message, 65536) AS message, LEFT(l.error, 200) AS error, l.timestamp'

/** Rows that one statement brings at most. */
export const LOG_BATCH = 1_000

/** The last rows of a revision's log, oldest first. @throws DatabaseError */
export async function readLogEnd(connection: DatabaseConnection, vid: number, count: number): Promise<LogRow[]> {
  const rows = await connection.rows<LogRow>(
    `SELECT ${LOG_COLUMNS} FROM hosting_task_log l WHERE l.vid = ?
      ORDER BY l.lid DESC LIMIT ${Math.max(0, Math.floor(count))}`,
    [vid],
  )
  return rows.reverse()
}

/** How far the log of a revision has been read. */
export interface LogCursor {
  vid: number
  /** 0: nothing yet. */
  lid: number
}

/**
 * What has come since, in its order, at most LOG_BATCH rows. One cursor a revision: of one revision a single process
 * writes, so its rows become visible in the order of their lids, which those of all revisions together do not.
 */
export async function readLogAfter(connection: DatabaseConnection, cursors: readonly LogCursor[]): Promise<LogRow[]> {
  if (cursors.length === 0) return []
  const ranges = cursors.map(() => '(l.vid = ? AND l.lid > ?)').join(' OR ')
  return connection.rows<LogRow>(
    `SELECT ${LOG_COLUMNS} FROM hosting_task_log l WHERE ${ranges} ORDER BY l.lid LIMIT ${LOG_BATCH}`,
    cursors.flatMap(({ vid, lid }) => [vid, lid]),
  )
}
