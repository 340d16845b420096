import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import { databaseAddress } from '../daemon/database-address.js'
import { DatabaseConnection, DatabaseError } from '../hostmaster/connection.js'

/**
 * Opens the database, hands the connection to `use`, and closes it. `nothing` says what has not been done when the database
 * fails. @throws SkynetError
 */
export async function withOpenDatabase<Result>(
  config: Config,
  nothing: string,
  use: (connection: DatabaseConnection) => Promise<Result>,
): Promise<Result> {
  let connection: DatabaseConnection | undefined
  try {
    connection = await DatabaseConnection.open(await databaseAddress(config))
    return await use(connection)
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    const code = error.fault.kind === 'refused' ? 'DATABASE_REFUSED' : 'DATABASE_UNREACHABLE'
    throw new SkynetError(code, `${nothing}: ${error.message}.`, {
      remedy: 'See what is wrong: skynet doctor',
      cause: error,
    })
  } finally {
    await connection?.close()
  }
}
