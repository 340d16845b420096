import type { DatabaseConnection } from './connection.js'

/** Drupal's lock of the task queue: a row of `semaphore` that every runner of Aegir's queue respects. */
export const QUEUE_LOCK_ROW = 'hosting_queue_tasks_running'

/** Every value of ours begins with this; such a row is never foreign to the daemon that is the leader. */
export const OUR_LOCK_PREFIX = 'skynet:'

/** Takes the free row. @returns whether it is ours now; false when somebody has it. */
export async function insertQueueLockRow(
  connection: DatabaseConnection,
  row: { value: string; expire: number },
): Promise<boolean> {
  const statement = `INSERT IGNORE INTO semaphore (name, value, expire) VALUES ('${QUEUE_LOCK_ROW}', ?, ?)`
  return (await connection.change(statement, [row.value, row.expire])) === 1
}

/**
 * Takes over a row that another Skynet left behind or whose holder let it expire. `from`: the value that it may have
 * whatever its expiry, as a pattern. @returns whether it is ours now.
 */
export async function seizeQueueLockRow(
  connection: DatabaseConnection,
  row: { value: string; expire: number },
  { from, now }: { from: string; now: number },
): Promise<boolean> {
  const statement = `UPDATE semaphore SET value = ?, expire = ?
    WHERE name = '${QUEUE_LOCK_ROW}' AND (value LIKE ? OR (expire < ? AND expire < UNIX_TIMESTAMP()))`
  return (await connection.change(statement, [row.value, row.expire, from, now])) === 1
}

/** Moves the expiry of our row ahead. @returns whether the row is still ours. */
export async function renewQueueLockRow(
  connection: DatabaseConnection,
  row: { value: string; expire: number },
): Promise<boolean> {
  const statement = `UPDATE semaphore SET expire = ? WHERE name = '${QUEUE_LOCK_ROW}' AND value = ?`
  return (await connection.change(statement, [row.expire, row.value])) === 1
}

/** Gives our row back; somebody else's is left alone. */
export async function deleteQueueLockRow(connection: DatabaseConnection, value: string): Promise<void> {
  await connection.change(`DELETE FROM semaphore WHERE name = '${QUEUE_LOCK_ROW}' AND value = ?`, [value])
}
