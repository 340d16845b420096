import { DatabaseConnection, type DatabaseAddress, type DatabaseLimits } from '../hostmaster/connection.js'
import { leaderLockName } from '../hostmaster/leader-lock.js'
import { pollQueue } from '../hostmaster/queue-poll.js'
import { missingTables } from '../hostmaster/required-tables.js'

/** Whether the database answers, on a connection of its own, what every poll asks. Never throws. */
export async function databaseAnswers(
  resolveAddress: () => Promise<DatabaseAddress>,
  limits: DatabaseLimits,
): Promise<boolean> {
  let connection: DatabaseConnection | undefined
  try {
    const address = await resolveAddress()
    connection = await DatabaseConnection.open(address, limits)
    if ((await missingTables(connection)).length > 0) return false
    await pollQueue(connection, { floor: 0, mark: 0, from: 0 }, leaderLockName(address.db))
    return true
  } catch {
    return false
  } finally {
    await connection?.close()
  }
}
