import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PATIENCE_MS, configure } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox

before(async () => {
  sandbox = await Sandbox.create()
})
after(() => sandbox.close())

test('a daemon whose loop hangs while the database answers leaves with a status that is not zero; its task goes on', async () => {
  const [object = 0] = await makeSites(sandbox, 1)
  configure(sandbox)
  const stop = 'hang'
  const limits = { liveness: { late: 300, patience: 1_500 } }
  const daemon = sandbox.startFastDaemon(1, [], {
    SANDBOX_CLOCK_STOP: `${sandbox.home}/${stop}`,
    SANDBOX_LIMITS: JSON.stringify(limits),
  })
  const task = { object, type: 'verify', arguments: { sandbox_until: 'go' } }
  const { nid } = await sandbox.hostmaster.queueTask(task)
  await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })

  sandbox.release(stop)
  assert.deepEqual(await daemon.exited, { code: 1, signal: null }, daemon.lastWords())
  assert.match(daemon.stderr, /No poll has completed for a minute although the database answers/)

  sandbox.release('go')
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
})

test('a daemon that cannot poll because its table is locked waits for that, however long', async () => {
  configure(sandbox)
  // As in the real ones, the patience is longer than a back-off and a statement's limit together.
  const limits = {
    liveness: { late: 200, patience: 2_000 },
    database: { connect: 300, statement: 300, idleTransaction: 10_000 },
    backOff: [200],
  }
  const daemon = sandbox.startFastDaemon(1, [], { SANDBOX_LIMITS: JSON.stringify(limits) })
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const connection = await sandbox.database.connect({ database: sandbox.hostmaster.credentials.db })
  try {
    await connection.query('LOCK TABLES hosting_task WRITE')
    await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
    const end = performance.now() + 2 * limits.liveness.patience
    await sandbox.waitFor(() => daemon.exit !== undefined || performance.now() > end, { what: 'twice the patience' })
    assert.equal(daemon.exit, undefined, daemon.lastWords())
  } finally {
    connection.destroy()
  }
  await daemon.waitForLog('database is back', { timeoutMs: PATIENCE_MS })
})
