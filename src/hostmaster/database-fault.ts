/**
 * What a database error means to us. Nothing here ends the daemon or a task; the kind says what to do next:
 *
 * - `again`: the statement was rolled back as a whole and may be sent again at once on the same connection.
 * - `lost`: the connection is of no use any more; whether the statement was carried out is unknown.
 * - `unavailable`: the server answers but cannot serve; wait and try again.
 * - `refused`: the server does not take these credentials or has no such database; only another configuration helps.
 * - `unexpected`: none of these; reported as it is, and waited for like `unavailable`.
 */
export type FaultKind = 'again' | 'lost' | 'unavailable' | 'refused' | 'duplicate' | 'unexpected'

export interface DatabaseFault {
  kind: FaultKind
  /** The driver's or the server's name of it: `ER_LOCK_DEADLOCK`, `ECONNREFUSED`, … */
  code: string
  /** Never holds a password: servers name user and host only, and drivers the address. */
  message: string
}

/** The one table of database errors that we know, each with the reason for its kind. */
const FAULTS: Record<string, { kind: FaultKind; because: string }> = {
  ER_LOCK_DEADLOCK: { kind: 'again', because: 'InnoDB rolled back the whole transaction to end a deadlock' },
  ER_LOCK_WAIT_TIMEOUT: { kind: 'again', because: 'somebody held a row for too long; the statement was rolled back' },
  ER_CHECKREAD: { kind: 'again', because: 'a row changed since it was read; the statement was rolled back' },
  ER_DUP_ENTRY: { kind: 'duplicate', because: 'the row exists: for a claim that is an answer, not a fault' },

  PROTOCOL_CONNECTION_LOST: { kind: 'lost', because: 'the server closed the connection' },
  PROTOCOL_SEQUENCE_TIMEOUT: { kind: 'lost', because: 'no answer within the limit; one may still be under way' },
  ECONNRESET: { kind: 'lost', because: 'the connection was reset' },
  EPIPE: { kind: 'lost', because: 'the server closed the connection while we were writing' },
  ETIMEDOUT: { kind: 'lost', because: 'the network gave no answer' },
  ECONNREFUSED: { kind: 'lost', because: 'nothing listens at the address' },
  ENOENT: { kind: 'lost', because: "the server's socket is not there" },
  EACCES: { kind: 'lost', because: "the server's socket is not open to us" },
  EHOSTUNREACH: { kind: 'lost', because: 'there is no way to the host' },
  ENETUNREACH: { kind: 'lost', because: 'there is no way to the network' },
  ENOTFOUND: { kind: 'lost', because: 'the host has no address' },
  EAI_AGAIN: { kind: 'lost', because: 'names could not be resolved' },
  ER_SERVER_SHUTDOWN: { kind: 'lost', because: 'the server is shutting down' },
  ER_NORMAL_SHUTDOWN: { kind: 'lost', because: 'the server is shutting down' },
  ER_CONNECTION_KILLED: { kind: 'lost', because: 'an administrator killed the connection' },
  ER_NEW_ABORTING_CONNECTION: { kind: 'lost', because: 'the server gave up the connection' },
  ER_QUERY_INTERRUPTED: { kind: 'lost', because: 'an administrator killed the statement, or the server is stopping' },
  ER_ERROR_DURING_COMMIT: { kind: 'lost', because: 'a Galera node lost the others while it was committing' },
  4031: { kind: 'lost', because: 'the server closed an idle connection (wait_timeout)' },

  ER_CON_COUNT_ERROR: { kind: 'unavailable', because: 'too many connections' },
  ER_TOO_MANY_USER_CONNECTIONS: { kind: 'unavailable', because: "too many of this user's connections" },
  ER_USER_LIMIT_REACHED: { kind: 'unavailable', because: "one of this user's hourly limits is reached" },
  ER_OPTION_PREVENTS_STATEMENT: { kind: 'unavailable', because: 'the server is read-only, as after a failover' },
  ER_READ_ONLY_MODE: { kind: 'unavailable', because: 'the server is read-only' },
  ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: { kind: 'unavailable', because: 'the server is read-only' },
  ER_DISK_FULL: { kind: 'unavailable', because: "the server's disk is full" },
  ER_RECORD_FILE_FULL: { kind: 'unavailable', because: "the server's disk is full" },
  ER_OUT_OF_RESOURCES: { kind: 'unavailable', because: 'the server is out of memory' },
  ER_OUTOFMEMORY: { kind: 'unavailable', because: 'the server is out of memory' },
  ER_UNKNOWN_COM_ERROR: { kind: 'unavailable', because: 'a Galera node that is not part of the cluster says so' },
  ER_STATEMENT_TIMEOUT: { kind: 'unavailable', because: "the server's max_statement_time ended it" },
  ER_MAX_PREPARED_STMT_COUNT_REACHED: { kind: 'unavailable', because: 'the server holds too many prepared statements' },
  ER_HOST_IS_BLOCKED: { kind: 'unavailable', because: 'this host failed to connect too often (FLUSH HOSTS)' },

  ER_ACCESS_DENIED_ERROR: { kind: 'refused', because: 'wrong user or password' },
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: { kind: 'refused', because: 'wrong user or password' },
  ER_DBACCESS_DENIED_ERROR: { kind: 'refused', because: 'there is no such database, or this user has no right to it' },
  ER_BAD_DB_ERROR: { kind: 'refused', because: 'the database does not exist: dropped, renamed or mistyped' },
  ER_NO_DB_ERROR: { kind: 'refused', because: 'the database was dropped under the connection' },
  ER_HOST_NOT_PRIVILEGED: { kind: 'refused', because: 'the server does not take connections from this host' },
  ER_NO_SUCH_TABLE: { kind: 'refused', because: "not a hostmaster's database, or one that is being restored" },
  ER_TABLEACCESS_DENIED_ERROR: { kind: 'refused', because: 'a right to one of the tables is missing' },
}

/** The names that the driver lacks (it knows MySQL's; these are MariaDB's). */
const NAME_OF_NUMBER: Record<number, string> = { 1927: 'ER_CONNECTION_KILLED', 1969: 'ER_STATEMENT_TIMEOUT' }

export function faultOf(error: unknown): DatabaseFault {
  if (!(error instanceof Error)) return { kind: 'unexpected', code: 'UNKNOWN', message: String(error) }
  const { code, errno } = error as Error & { code?: string; errno?: number }
  // The driver's words, without a code, for a command that came after it had noticed the end of the connection.
  const isClosed = code === undefined && error.message.includes('closed state')
  const name = isClosed
    ? 'PROTOCOL_CONNECTION_LOST'
    : (errno !== undefined && NAME_OF_NUMBER[errno]) || code || error.name
  const known = FAULTS[name] ?? (errno === undefined ? undefined : FAULTS[String(errno)])
  if (known) return { kind: known.kind, code: name, message: `${known.because} (${name}: ${error.message})` }
  // A fatal error of the driver that is not in the table still means that the connection is of no use.
  const fatal = (error as { fatal?: boolean }).fatal === true
  return { kind: fatal ? 'lost' : 'unexpected', code: name, message: `${name}: ${error.message}` }
}
