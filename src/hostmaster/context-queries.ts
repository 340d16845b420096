import type { DatabaseConnection } from './connection.js'

/** Whether Aegir has an object of just this name, letter by letter (without the `@` of its drush alias). */
export async function contextExists(connection: DatabaseConnection, name: string): Promise<boolean> {
  const rows = await connection.rows('SELECT nid FROM hosting_context WHERE name = ? AND BINARY name = ? LIMIT 1', [
    name,
    name,
  ])
  return rows.length > 0
}
