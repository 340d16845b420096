import type { DatabaseConnection } from './connection.js'

/**
 * Notes that the task queue is being served: Aegir's web interface reckons from this variable when a task will be
 * processed. PHP keeps all variables in one cache entry, which has to go or the old value stays.
 *
 * @param now seconds since 1970. @throws DatabaseError
 */
export async function writeLastRun(connection: DatabaseConnection, now: number): Promise<void> {
  const value = `i:${Math.floor(now)};`
  await connection.change(
    `INSERT INTO variable (name, value) VALUES ('hosting_queue_tasks_last_run', ?)
      ON DUPLICATE KEY UPDATE value = VALUES(value)`,
    [value],
  )
  await connection.change("DELETE FROM cache_bootstrap WHERE cid = 'variables'")
}
