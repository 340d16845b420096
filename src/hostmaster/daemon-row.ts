import { DatabaseError, type DatabaseConnection } from './connection.js'

/** One row of the module's table hosting_skynet_daemon: what a daemon says of itself. Times are seconds since 1970. */
export interface DaemonRow {
  id: string
  host: string
  pid: number
  version: string
  state: string
  started: number
  heartbeat: number
  /** JSON. */
  snapshot: string
}

/** The table is not there (the module is not installed), is an older one, or is not for us to write. */
const NO_TABLE = new Set(['ER_NO_SUCH_TABLE', 'ER_BAD_FIELD_ERROR', 'ER_TABLEACCESS_DENIED_ERROR'])

/**
 * Replaces our row. That the table is not there shows in the attempt itself: asking first would cost a statement each
 * time, and the module can be uninstalled in between.
 *
 * @returns false where there is no such table. @throws DatabaseError
 */
export async function replaceDaemonRow(connection: DatabaseConnection, row: DaemonRow): Promise<boolean> {
  const { id, host, pid, version, state, started, heartbeat, snapshot } = row
  const statement = `REPLACE INTO hosting_skynet_daemon (id, host, pid, version, state, started, heartbeat, snapshot)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
  return withTable(() => connection.change(statement, [id, host, pid, version, state, started, heartbeat, snapshot]))
}

/** Removes a row of ours. @returns false where there is no such table. @throws DatabaseError */
export async function deleteDaemonRow(connection: DatabaseConnection, id: string): Promise<boolean> {
  return withTable(() => connection.change('DELETE FROM hosting_skynet_daemon WHERE id = ?', [id]))
}

async function withTable(work: () => Promise<number>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof DatabaseError && NO_TABLE.has(error.fault.code)) return false
    throw error
  }
}
