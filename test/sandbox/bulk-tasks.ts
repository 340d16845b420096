import type { RowDataPacket } from 'mysql2/promise'
import type { WaitingTask } from '../../src/scheduler/plan.js'
import type { Hostmaster } from './hostmaster.js'
import { now, type TaskSpec } from './node-rows.js'

/** Rows that one INSERT takes. */
const CHUNK = 1_000

/**
 * Queues many tasks in one transaction, with a handful of statements: thousands take a second.
 * @returns them as they now wait.
 */
export function queueTasks(hostmaster: Hostmaster, specs: readonly TaskSpec[]): Promise<WaitingTask[]> {
  return hostmaster.transaction(async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT GREATEST((SELECT COALESCE(MAX(nid), 0) + 1 FROM node),
          (SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'node'))
          AS nid, (SELECT COALESCE(MAX(vid), 0) + 1 FROM node_revision) AS vid`,
    )
    // Expressions over big integers come as text.
    const first = { nid: Number(rows[0]?.['nid']), vid: Number(rows[0]?.['vid']) }
    const tasks = specs.map((spec, index): WaitingTask => {
      const { object, type, changed = now(), arguments: args = {} } = spec
      return { nid: first.nid + index, vid: first.vid + index, type, rid: object, changed, arguments: args }
    })
    const insert = async (into: string, values: unknown[][]) => {
      for (let start = 0; start < values.length; start += CHUNK) {
        await connection.query(`INSERT INTO ${into} VALUES ?`, [values.slice(start, start + CHUNK)])
      }
    }
    const title = (task: WaitingTask) => `${task.type} of ${task.rid}`
    await insert(
      'node (nid, vid, type, language, title, uid, status, created, changed)',
      tasks.map((task) => [task.nid, task.vid, 'task', 'und', title(task), 1, 1, task.changed, task.changed]),
    )
    await insert(
      'node_revision (vid, nid, uid, title, log, timestamp, status)',
      tasks.map((task) => [task.vid, task.nid, 1, title(task), '', task.changed, 1]),
    )
    await insert(
      'hosting_task (vid, nid, task_type, rid, task_status)',
      tasks.map((task) => [task.vid, task.nid, task.type, task.rid, 0]),
    )
    await insert(
      'hosting_task_arguments (vid, nid, name, value)',
      tasks.flatMap((task) => Object.entries(task.arguments).map(([name, value]) => [task.vid, task.nid, name, value])),
    )
    await insert(
      'node_access (nid, gid, realm, grant_view)',
      tasks.map((task) => [task.nid, 1, 'hosting task', 1]),
    )
    return tasks
  })
}
