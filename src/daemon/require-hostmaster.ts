import { SkynetError } from '../config/skynet-error.js'
import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import { missingTables } from '../hostmaster/required-tables.js'

/**
 * Makes sure that the database is a hostmaster's.
 * @param waits whether the daemon waits for one, as for a server that is down
 * @throws SkynetError NOT_A_HOSTMASTER, or as a DatabaseError where the daemon waits
 */
export async function requireHostmaster(
  connection: DatabaseConnection,
  database: string,
  waits: boolean,
): Promise<void> {
  const missing = await missingTables(connection)
  if (missing.length === 0) return
  const error = new SkynetError(
    'NOT_A_HOSTMASTER',
    `The database ${database} is not a hostmaster's: it lacks ${missing.join(', ')}.`,
    { remedy: 'Set [database] db to the database of the hostmaster site (drush @hostmaster sql-connect names it).' },
  )
  throw waits ? new DatabaseError({ kind: 'refused', code: error.code, message: error.message }, error) : error
}
