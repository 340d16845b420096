import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASE_LIMITS, DatabaseConnection, DatabaseError } from '../../src/hostmaster/connection.js'
import { Sandbox } from '../sandbox/sandbox.js'

const UPDATE = "UPDATE variable SET value = ? WHERE name = 'site_name'"

test('a transaction that waits for a frozen daemon ends, and its rows are free for whoever leads', async () => {
  await using sandbox = await Sandbox.create()
  const { credentials } = sandbox.hostmaster
  const root = await DatabaseConnection.open(credentials)
  await root.change("REPLACE INTO variable (name, value) VALUES ('site_name', 'before')")
  const frozen = await DatabaseConnection.open(credentials, { ...DATABASE_LIMITS, idleTransaction: 1_000 })
  const transaction = frozen.transaction(async () => {
    assert.equal(await frozen.change(UPDATE, ['of the frozen one']), 1)
    // Until the server has ended the transaction, it waits for the row.
    assert.equal(await root.change(UPDATE, ['of the leader']), 1)
  })
  await assert.rejects(transaction, (error) => error instanceof DatabaseError && error.fault.kind === 'lost')
  const [row] = await root.rows<{ value: Buffer | string }>("SELECT value FROM variable WHERE name = 'site_name'")
  assert.equal(String(row?.value), 'of the leader')
  await Promise.all([root.close(), frozen.close()])
})
