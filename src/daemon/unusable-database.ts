import { SkynetError } from '../config/skynet-error.js'
import type { DatabaseError } from '../hostmaster/connection.js'

/** Why the daemon leaves at its start when the database will not have it, and what to do. */
export function unusableDatabase(
  error: DatabaseError,
  { db, host, user }: { db: string; host: string; user: string },
): SkynetError {
  const refused = error.fault.kind === 'refused'
  return new SkynetError(
    refused ? 'DATABASE_REFUSED' : 'DATABASE_UNREACHABLE',
    `The database ${db} at ${host} ${refused ? `does not serve user ${user}` : 'cannot be reached'}: ${error.message}.`,
    {
      remedy: refused
        ? 'Check [database] in skynet.conf; a verify of the hostmaster site writes it anew.'
        : 'Start the database server, or use --wait to wait for it.',
      cause: error,
    },
  )
}
