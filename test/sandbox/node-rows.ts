import type { Connection, ResultSetHeader } from 'mysql2/promise'

export interface QueuedTask {
  nid: number
  vid: number
}

export interface TaskSpec {
  /** nid of the site, platform or server that the task acts on. */
  object: number
  type: string
  arguments?: Record<string, string>
  /** Seconds since 1970; now unless given. */
  changed?: number
  title?: string
}

export type Queryable = Pick<Connection, 'query'>

/* The rows of a node and of a task, as Drupal and Aegir insert them; each is part of a transaction of the caller's. */

export async function insertTask(connection: Queryable, spec: TaskSpec): Promise<QueuedTask> {
  const title = spec.title ?? `${spec.type} of ${spec.object}`
  const { nid, vid } = await insertNode(connection, { type: 'task', title, changed: spec.changed ?? now() })
  await insert(connection, 'hosting_task', { vid, nid, task_type: spec.type, rid: spec.object, task_status: 0 })
  for (const [name, value] of Object.entries(spec.arguments ?? {})) {
    await insert(connection, 'hosting_task_arguments', { vid, nid, name, value })
  }
  // Without this row parallel starts of drush deadlock now and then.
  await insert(connection, 'node_access', {
    nid,
    gid: 1,
    realm: 'hosting task',
    grant_view: 1,
    grant_update: 0,
    grant_delete: 0,
  })
  return { nid, vid }
}

export async function insertNode(
  connection: Queryable,
  { type, title, changed = now() }: { type: string; title: string; changed?: number },
): Promise<QueuedTask> {
  const node = {
    vid: null,
    type,
    language: 'und',
    title: title.slice(0, 255),
    uid: 1,
    status: 1,
    created: changed,
    changed,
  }
  const nid = await insert(connection, 'node', node)
  const vid = await insertRevision(connection, nid, title, changed)
  await connection.query('UPDATE node SET vid = ? WHERE nid = ?', [vid, nid])
  return { nid, vid }
}

export function insertRevision(connection: Queryable, nid: number, title: string, timestamp: number): Promise<number> {
  return insert(connection, 'node_revision', { nid, uid: 1, title: title.slice(0, 255), log: '', timestamp, status: 1 })
}

export async function insert(connection: Queryable, table: string, row: Record<string, unknown>): Promise<number> {
  const [result] = (await connection.query('INSERT INTO ?? SET ?', [table, row])) as unknown as [ResultSetHeader]
  return result.insertId
}

export function now(): number {
  return Math.floor(Date.now() / 1000)
}
