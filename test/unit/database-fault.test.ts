import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { faultOf, type FaultKind } from '../../src/hostmaster/database-fault.js'

function driverError(fields: { code?: string; errno?: number; fatal?: boolean; message?: string }): Error {
  const { message = 'what the server said', ...rest } = fields
  return Object.assign(new Error(message), rest)
}

/** As the driver gives them: its own name of the error, the server's number. */
const CASES: [string, Parameters<typeof driverError>[0], FaultKind, string][] = [
  ['a deadlock', { code: 'ER_LOCK_DEADLOCK', errno: 1213 }, 'again', 'ER_LOCK_DEADLOCK'],
  ['a lock wait timeout', { code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205 }, 'again', 'ER_LOCK_WAIT_TIMEOUT'],
  ['a row that exists', { code: 'ER_DUP_ENTRY', errno: 1062 }, 'duplicate', 'ER_DUP_ENTRY'],
  ['a connection that was reset', { code: 'ECONNRESET', fatal: true }, 'lost', 'ECONNRESET'],
  ['a server that is not there', { code: 'ECONNREFUSED', fatal: true }, 'lost', 'ECONNREFUSED'],
  ['no answer within the limit', { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }, 'lost', 'PROTOCOL_SEQUENCE_TIMEOUT'],
  [
    'a connection that MariaDB’s administrator killed',
    { code: 'UNKNOWN', errno: 1927 },
    'lost',
    'ER_CONNECTION_KILLED',
  ],
  [
    'a Galera node that is not part of the cluster',
    { code: 'ER_UNKNOWN_COM_ERROR', errno: 1047 },
    'unavailable',
    'ER_UNKNOWN_COM_ERROR',
  ],
  [
    'a Galera node that lost the others during a commit',
    { code: 'ER_ERROR_DURING_COMMIT', errno: 1180 },
    'lost',
    'ER_ERROR_DURING_COMMIT',
  ],
  ['a server that shuts down', { code: 'ER_SERVER_SHUTDOWN', errno: 1053 }, 'lost', 'ER_SERVER_SHUTDOWN'],
  ['an idle connection that the server ended', { code: 'ER_X', errno: 4031 }, 'lost', 'ER_X'],
  [
    'too many connections',
    { code: 'ER_CON_COUNT_ERROR', errno: 1040, fatal: true },
    'unavailable',
    'ER_CON_COUNT_ERROR',
  ],
  [
    'a read-only server',
    { code: 'ER_OPTION_PREVENTS_STATEMENT', errno: 1290 },
    'unavailable',
    'ER_OPTION_PREVENTS_STATEMENT',
  ],
  ['MariaDB’s statement limit', { code: 'UNKNOWN', errno: 1969 }, 'unavailable', 'ER_STATEMENT_TIMEOUT'],
  [
    'a wrong password',
    { code: 'ER_ACCESS_DENIED_ERROR', errno: 1045, fatal: true },
    'refused',
    'ER_ACCESS_DENIED_ERROR',
  ],
  ['a database that is gone', { code: 'ER_BAD_DB_ERROR', errno: 1049, fatal: true }, 'refused', 'ER_BAD_DB_ERROR'],
  ['a table that is gone', { code: 'ER_NO_SUCH_TABLE', errno: 1146 }, 'refused', 'ER_NO_SUCH_TABLE'],
  ['a fatal error that nobody knows', { code: 'ER_NEW_ONE', errno: 9999, fatal: true }, 'lost', 'ER_NEW_ONE'],
  ['an error that nobody knows', { code: 'ER_NEW_ONE', errno: 9999 }, 'unexpected', 'ER_NEW_ONE'],
]

describe('a database error', () => {
  for (const [what, fields, kind, code] of CASES) {
    test(`${what} is “${kind}”`, () => {
      const fault = faultOf(driverError(fields))
      assert.deepEqual([fault.kind, fault.code], [kind, code])
      assert.match(fault.message, /what the server said/)
    })
  }

  test('of the driver’s without a code, on a closed connection, is “lost”', () => {
    const fault = faultOf(new Error("Can't add new command when connection is in closed state"))
    assert.equal(fault.kind, 'lost')
    assert.match(fault.message, /^the server closed the connection \(PROTOCOL_CONNECTION_LOST: /)
  })

  test('that is no error at all is “unexpected”, and says what it was', () => {
    assert.deepEqual(faultOf('odd'), { kind: 'unexpected', code: 'UNKNOWN', message: 'odd' })
  })
})
