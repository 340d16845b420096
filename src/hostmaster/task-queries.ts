import type { DatabaseConnection } from './connection.js'
import type { Task } from './task.js'

/** A current row of a task whatever its status, as the queue's mirror takes it in. */
export interface TaskRow extends Task {
  status: number | null
  /** Name to value, of this vid; bounded, because clients write them. */
  arguments: Record<string, string>
  /** Set in the mirror once the task is known as one of many alike (the scheduler's bulk). */
  bulk?: boolean
}

interface RawTaskRow {
  nid: number
  vid: number
  type: string | null
  status: number | null
  rid: number
  changed: number
  context: string | null
  title: string | null
}

/** A client can give a task any type or title; what we keep of it is bounded (the column is a longtext). */
const TASK_COLUMNS = `t.nid, t.vid, LEFT(t.task_type, 64) AS type, t.task_status AS status, t.rid, n.changed,
    c.name AS context, o.title AS title`

const TASK_TABLES = `hosting_task t
    STRAIGHT_JOIN node n ON n.vid = t.vid AND n.nid = t.nid
    LEFT JOIN hosting_context c ON c.nid = t.rid
    LEFT JOIN node o ON o.nid = t.rid`

function taskRow(row: RawTaskRow): TaskRow {
  return {
    nid: row.nid,
    vid: row.vid,
    type: row.type ?? '',
    status: row.status,
    rid: row.rid,
    changed: row.changed,
    object: row.context ?? row.title ?? '',
    arguments: {},
  }
}

/** Every current task above a vid, whatever its status: what has been queued, started or ended since. */
export async function readTasksAbove(connection: DatabaseConnection, mark: number): Promise<TaskRow[]> {
  const statement = `SELECT ${TASK_COLUMNS} FROM ${TASK_TABLES} WHERE t.vid > ? AND n.type = 'task'`
  return (await connection.rows<RawTaskRow>(statement, [mark])).map(taskRow)
}

/** Waiting and processing tasks with a vid in (low, high]; one range of the key, so that a reconcile goes in steps. */
export async function readOpenTasks(connection: DatabaseConnection, low: number, high: number): Promise<TaskRow[]> {
  const statement = `SELECT ${TASK_COLUMNS} FROM ${TASK_TABLES}
    WHERE t.vid > ? AND t.vid <= ? AND t.task_status IN (0, -1) AND n.type = 'task'`
  return (await connection.rows<RawTaskRow>(statement, [low, high])).map(taskRow)
}

/** Arguments a statement asks for at a time: a batch of any size is read with statements of one form. */
const ARGUMENTS_BATCH = 200

/** Reads the arguments of the open tasks among these rows into them. They belong to a vid, and are copied to the next. */
export async function readArguments(connection: DatabaseConnection, rows: TaskRow[]): Promise<void> {
  const open = rows.filter((row) => row.status === 0 || row.status === -1)
  for (let start = 0; start < open.length; start += ARGUMENTS_BATCH) {
    const batch = new Map(open.slice(start, start + ARGUMENTS_BATCH).map((row) => [row.vid, row]))
    const vids = [...batch.keys()]
    const statement = `SELECT a.vid, LEFT(a.name, 64) AS name, LEFT(a.value, 1024) AS value
      FROM hosting_task_arguments a WHERE a.vid IN (${vids.map(() => '?').join(', ')})`
    const found = await connection.rows<{ vid: number; name: string | null; value: string | null }>(statement, vids)
    for (const { vid, name, value } of found) {
      const row = batch.get(vid)
      if (row && name !== null) row.arguments[name] = value ?? ''
    }
  }
}

/** The current row of one task; undefined when the node, or its row, is gone. */
export async function readTask(connection: DatabaseConnection, nid: number): Promise<TaskRow | undefined> {
  const statement = `SELECT ${TASK_COLUMNS} FROM node m
    STRAIGHT_JOIN hosting_task t ON t.vid = m.vid AND t.nid = m.nid
    STRAIGHT_JOIN node n ON n.nid = m.nid
    LEFT JOIN hosting_context c ON c.nid = t.rid
    LEFT JOIN node o ON o.nid = t.rid
    WHERE m.nid = ? AND n.type = 'task'`
  const row = (await connection.rows<RawTaskRow>(statement, [nid]))[0]
  return row && taskRow(row)
}

/** The task node's own title is not read: clients write it, and the object's name says more. */
export async function readStatus(connection: DatabaseConnection, vid: number): Promise<number | null | undefined> {
  const statement = 'SELECT task_status AS status FROM hosting_task WHERE vid = ?'
  return (await connection.rows<{ status: number | null }>(statement, [vid]))[0]?.status
}

/** Whether there has ever been a task of just this type, letter by letter. Looks through all of them where there has not. */
export async function taskTypeExists(connection: DatabaseConnection, type: string): Promise<boolean> {
  const rows = await connection.rows('SELECT vid FROM hosting_task WHERE BINARY task_type = ? LIMIT 1', [type])
  return rows.length > 0
}
