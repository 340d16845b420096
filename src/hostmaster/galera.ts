import type { DatabaseConnection } from './connection.js'

/**
 * The SELECTs (1), UPDATEs and DELETEs (2) and INSERTs (4) that wait until the node has all that the cluster has
 * committed. drush may be connected to another node than we are.
 */
const SYNC_WAIT = 7

/**
 * Whether the server is a node of a Galera cluster; what is sent on this connection then sees what any node has
 * committed. Of such a cluster Skynet has to know two things:
 *
 * - User locks are a node's own. On each node another daemon has the leader lock, and they share the lock row by its
 *   expiry (see LockRowKeeper).
 * - Of two claims of one queueing that are made on two nodes, certification lets one commit: the other fails with a
 *   deadlock (1213), and sent again with a duplicate key. On a node that is cut off nothing is committed at all (1047).
 */
export async function meetCluster(connection: DatabaseConnection): Promise<boolean> {
  const [variable] = await connection.rows<{ Value: string }>("SHOW VARIABLES LIKE 'wsrep_on'")
  if (variable?.Value !== 'ON') return false
  await connection.change(`SET SESSION wsrep_sync_wait = ${SYNC_WAIT}`)
  return true
}
