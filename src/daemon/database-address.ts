import { findDatabaseSocket } from '../config/find-database-socket.js'
import type { Config } from '../config/schema.js'
import type { DatabaseAddress } from '../hostmaster/connection.js'

/** The database's address, with `localhost` standing for a socket that PHP, and so Aegir, knows. */
export async function databaseAddress({ database }: Config): Promise<DatabaseAddress> {
  const { host, port, db, user, passwd } = database
  const socket = database.socket ?? (host === 'localhost' ? await findDatabaseSocket() : null)
  return { host, port, socket, db, user, passwd }
}
