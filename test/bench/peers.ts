import { setTimeout as delay } from 'node:timers/promises'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Sandbox } from '../sandbox/sandbox.js'

/**
 * What Skynet is compared with, on the same sandbox, drush and tasks. The loops are our own, with the timing of the
 * daemons that they are named after; in a process that is there already, so they are faster than those, if anything.
 */

/** The poll of Aegir and of the Python daemon. */
export const OLD_QUERY = `SELECT t.nid FROM hosting_task t INNER JOIN node n ON t.vid = n.vid
  WHERE t.task_status = 0 AND n.status = 1 ORDER BY n.changed, n.nid`

export type Peer = (sandbox: Sandbox, isDone: () => boolean) => Promise<void>

/** The floor: no queue daemon can be faster than this, which knows what to run. */
export async function floor(sandbox: Sandbox, nids: readonly number[], slots: number): Promise<void> {
  const list = sandbox.folder.writeFile('nids', nids.join('\n') + '\n')
  await sandbox.run('xargs', ['-a', list, '-P', String(slots), '-n', '1', 'drush', '@hostmaster', 'hosting-task'])
}

/** The Python daemon: connects, queries, runs one after another, sleeps a second. */
export const eachSecond: Peer = async (sandbox, isDone) => {
  while (!isDone()) {
    for (const nid of await waiting(sandbox)) await run(sandbox, nid)
    if (!isDone()) await delay(1_000)
  }
}

/** Aegir's PHP daemon: a poll each second, one task, a second of sleep before it and after it. */
export const daemonPhp: Peer = async (sandbox, isDone) => {
  while (!isDone()) {
    const [nid] = await waiting(sandbox)
    await delay(1_000)
    if (nid === undefined) continue
    await run(sandbox, nid)
    if (!isDone()) await delay(1_000)
  }
}

async function waiting(sandbox: Sandbox): Promise<number[]> {
  const { socket, db, user, passwd } = sandbox.hostmaster.credentials
  const connection = await createConnection({ socketPath: socket, database: db, user, password: passwd })
  try {
    const [rows] = await connection.query<RowDataPacket[]>(OLD_QUERY)
    return rows.map((row) => Number(row['nid']))
  } finally {
    await connection.end()
  }
}

async function run(sandbox: Sandbox, nid: number): Promise<void> {
  await sandbox.run('drush', ['@hostmaster', 'hosting-task', String(nid)])
}
