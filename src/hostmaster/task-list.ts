import type { DatabaseConnection, StatementValue } from './connection.js'
import type { Task } from './task.js'

/** A task as it is listed, whatever became of it. */
export interface ListedTask extends Task {
  status: number | null
  /** Seconds since 1970. Means nothing while the task is queued: a retry copies it from the task that failed. */
  executed: number | null
  /** Whole seconds; null while it runs. Copied like `executed`. */
  delta: number | null
  /**
   * When the revision before this one was saved, seconds since 1970; null where there is none. drush saves a new
   * revision at the start: so this is when a started task was queued, and a task without it was never started.
   */
  queued: number | null
}

export interface TaskFilter {
  nids?: readonly number[]
  statuses?: readonly number[]
  type?: string
  rids?: readonly number[]
  /** Seconds since 1970: queued, or started, not before. */
  since?: number
}

interface RawListedTask extends Omit<ListedTask, 'type' | 'object'> {
  type: string | null
  context: string | null
  title: string | null
}

/** How long a look through the whole history may take, in milliseconds: seconds for some hundred thousand tasks. */
const PATIENCE = 120_000

/** Tasks that fit, the latest first, at most `limit`. @throws DatabaseError */
export async function readTaskList(
  connection: DatabaseConnection,
  filter: TaskFilter,
  limit: number,
): Promise<ListedTask[]> {
  const conditions = ["n.type = 'task'"]
  const values: StatementValue[] = []
  const among = (column: string, list: readonly number[] | undefined): void => {
    if (list === undefined) return
    conditions.push(list.length === 0 ? 'FALSE' : `${column} IN (${list.map(() => '?').join(', ')})`)
    values.push(...list)
  }
  among('n.nid', filter.nids)
  among('t.task_status', filter.statuses)
  among('t.rid', filter.rids)
  if (filter.type !== undefined) {
    conditions.push('t.task_type = ?')
    values.push(filter.type)
  }
  if (filter.since !== undefined) {
    conditions.push('n.changed >= ?')
    values.push(filter.since)
  }
  // The inner SELECT goes along the index of node.changed and ends with the limit; names are looked up for its rows.
  const rows = await connection.rows<RawListedTask>(
    `SELECT l.nid, l.vid, LEFT(l.task_type, 64) AS type, l.task_status AS status, l.rid, l.changed, l.executed, l.delta,
        c.name AS context, o.title AS title,
        (SELECT r.timestamp FROM node_revision r WHERE r.nid = l.nid AND r.vid < l.vid ORDER BY r.vid DESC LIMIT 1)
          AS queued
      FROM (
        SELECT n.nid, n.vid, n.changed, t.task_type, t.task_status, t.rid, t.executed, t.delta
          FROM node n STRAIGHT_JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
          WHERE ${conditions.join(' AND ')}
          ORDER BY n.changed DESC, n.nid DESC
          LIMIT ${Math.max(0, Math.floor(limit))}
      ) l
      LEFT JOIN hosting_context c ON c.nid = l.rid
      LEFT JOIN node o ON o.nid = l.rid
      ORDER BY l.changed DESC, l.nid DESC`,
    values,
    PATIENCE,
  )
  return rows.map(({ type, context, title, ...row }) => ({ ...row, type: type ?? '', object: context ?? title ?? '' }))
}

/** nids of the sites, platforms and servers with this context name or title; a deleted site's may be there as well. */
export async function readObjectNids(connection: DatabaseConnection, name: string): Promise<number[]> {
  const rows = await connection.rows<{ nid: number }>(
    `SELECT c.nid FROM hosting_context c WHERE c.name = ?
      UNION SELECT n.nid FROM node n WHERE n.title = ? AND n.type IN ('site', 'platform', 'server')`,
    [name, name],
  )
  return rows.map(({ nid }) => nid)
}

/** Context names of sites, platforms and servers, in their order, at most `limit`. @throws DatabaseError */
export async function readObjectNames(connection: DatabaseConnection, limit: number): Promise<string[]> {
  const rows = await connection.rows<{ name: string }>(
    `SELECT c.name FROM hosting_context c ORDER BY c.name LIMIT ${Math.max(0, Math.floor(limit))}`,
  )
  return rows.map(({ name }) => name)
}

/** So many started tasks of a type waited and took so long, and ended with this status. */
export interface TaskCount {
  type: string
  status: number | null
  /** Whole seconds from queued to started; null: not known. */
  waited: number | null
  /** Whole seconds; null: it has not ended, or was not timed. */
  took: number | null
  count: number
}

/** Tasks started since (seconds since 1970), counted by the server: ten thousand are some hundred rows. */
export async function readTaskCounts(connection: DatabaseConnection, since: number): Promise<TaskCount[]> {
  return connection.rows<TaskCount>(
    `SELECT s.type, s.status, s.waited, s.took, COUNT(*) AS count
      FROM (
        SELECT LEFT(t.task_type, 64) AS type, t.task_status AS status, t.delta AS took,
            CAST(t.executed AS SIGNED) - (
              SELECT r.timestamp FROM node_revision r WHERE r.nid = n.nid AND r.vid < n.vid ORDER BY r.vid DESC LIMIT 1
            ) AS waited
          FROM node n STRAIGHT_JOIN hosting_task t ON t.vid = n.vid AND t.nid = n.nid
          WHERE n.type = 'task' AND n.changed >= ? AND t.executed >= ? AND t.task_status IN (-1, 1, 2, 3)
      ) s
      WHERE s.type IS NOT NULL AND s.waited IS NOT NULL
      GROUP BY s.type, s.status, s.waited, s.took`,
    [since, since],
    PATIENCE,
  )
}
