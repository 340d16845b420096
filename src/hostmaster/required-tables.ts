import type { DatabaseConnection } from './connection.js'

/** Tables without which a database is not a hostmaster's, with the columns that we read or write. */
const REQUIRED_COLUMNS: Record<string, string[]> = {
  hosting_task: ['vid', 'nid', 'task_type', 'task_status', 'rid', 'executed'],
  hosting_task_log: ['vid', 'nid', 'type', 'message', 'error', 'timestamp'],
  hosting_task_arguments: ['vid', 'name', 'value'],
  hosting_context: ['nid', 'name'],
  node: ['nid', 'vid', 'type', 'title', 'changed'],
  semaphore: ['name', 'value', 'expire'],
  variable: ['name', 'value'],
}

/** What a hostmaster has and this database lacks, as `table` or `table.column`; empty when nothing is missing. */
export async function missingTables(connection: DatabaseConnection): Promise<string[]> {
  const tables = Object.keys(REQUIRED_COLUMNS)
  const rows = await connection.rows<{ table_name: string; column_name: string }>(
    `SELECT c.TABLE_NAME AS table_name, c.COLUMN_NAME AS column_name FROM information_schema.COLUMNS c
      WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME IN (${tables.map(() => '?').join(', ')})`,
    tables,
  )
  return Object.entries(REQUIRED_COLUMNS).flatMap(([table, columns]) => {
    const found = rows.filter((row) => row.table_name === table).map((row) => row.column_name)
    if (found.length === 0) return [table]
    return columns.filter((column) => !found.includes(column)).map((column) => `${table}.${column}`)
  })
}
