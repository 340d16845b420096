import type { DatabaseConnection } from './connection.js'

/** What a task was queued with, whole: to queue the same once more. */
export interface QueuedWith {
  type: string
  status: number | null
  /** Name of its object; null: the object is gone. */
  context: string | null
  arguments: Record<string, string>
}

/** undefined: there is no task of this nid. Arguments belong to a vid, and are copied to each next one. */
export async function readQueuedWith(connection: DatabaseConnection, nid: number): Promise<QueuedWith | undefined> {
  const [task] = await connection.rows<{
    vid: number
    type: string | null
    status: number | null
    context: string | null
  }>(
    `SELECT t.vid, t.task_type AS type, t.task_status AS status, c.name AS context
      FROM node n JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
      LEFT JOIN hosting_context c ON c.nid = t.rid
      WHERE n.nid = ? AND n.type = 'task'`,
    [nid],
  )
  if (!task) return undefined
  const rows = await connection.rows<{ name: string | null; value: string | null }>(
    'SELECT name, value FROM hosting_task_arguments WHERE vid = ?',
    [task.vid],
  )
  const given = rows.flatMap(({ name, value }) => (name === null ? [] : [[name, value ?? ''] as const]))
  return { type: task.type ?? '', status: task.status, context: task.context, arguments: Object.fromEntries(given) }
}
