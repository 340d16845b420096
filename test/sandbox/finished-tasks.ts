import type { Connection, RowDataPacket } from 'mysql2/promise'

export interface FinishedTasks {
  /** nid of the object that all of them acted on. */
  object: number
  /** How long ago the youngest was queued; a day unless given. Each task before it is a second older. */
  ageSeconds?: number
  /** `verify` unless given. */
  type?: string
  /** Final status of all of them; success unless given. */
  status?: 1 | 2 | 3
  /** Whole seconds that each took; 1 unless given. */
  delta?: number
}

/**
 * History in bulk, from a sequence table: each task leaves two revisions, the superseded one with status 0 for ever and
 * the final one. The vids of a task are neighbours, as on a real hostmaster.
 */
export async function insertFinishedTasks(
  connection: Connection,
  count: number,
  options: FinishedTasks,
): Promise<void> {
  const { object, ageSeconds = 86_400, type = 'verify', status = 1, delta = 1 } = options
  const [rows] = await connection.query<RowDataPacket[]>(
    'SELECT (SELECT COALESCE(MAX(nid), 0) FROM node) AS nid, (SELECT COALESCE(MAX(vid), 0) FROM node_revision) AS vid',
  )
  const { nid, vid } = rows[0] as { nid: number; vid: number }
  const youngest = Math.floor(Date.now() / 1000) - ageSeconds
  const sequence = `seq_1_to_${count}`
  // Of task `seq`, counted from the oldest:
  const its = {
    nid: `${nid} + seq`,
    queuedVid: `${vid} + 2 * seq - 1`,
    vid: `${vid} + 2 * seq`,
    queued: `${youngest - count} + seq`,
    started: `${youngest - count} + seq + 1`,
  }
  const statements: [string, unknown[]][] = [
    [
      `INSERT INTO node (nid, vid, type, language, title, uid, created, changed)
       SELECT ${its.nid}, ${its.vid}, 'task', 'und', ?, 1, ${its.queued}, ${its.started} FROM ${sequence}`,
      [`${type} of ${object}`],
    ],
    [
      `INSERT INTO node_revision (vid, nid, uid, title, log, timestamp)
       SELECT ${vid} + seq, ${nid} + (seq + 1) DIV 2, 1, ?, '', ${youngest - count} + (seq + 1) DIV 2 FROM seq_1_to_${2 * count}`,
      [`${type} of ${object}`],
    ],
    [
      `INSERT INTO hosting_task (vid, nid, task_type, rid, task_status)
       SELECT ${its.queuedVid}, ${its.nid}, ?, ?, 0 FROM ${sequence}`,
      [type, object],
    ],
    [
      `INSERT INTO hosting_task (vid, nid, task_type, rid, task_status, executed, delta)
       SELECT ${its.vid}, ${its.nid}, ?, ?, ?, ${its.started}, ? FROM ${sequence}`,
      [type, object, status, delta],
    ],
    [
      `INSERT INTO node_access (nid, gid, realm, grant_view) SELECT ${its.nid}, 1, 'hosting task', 1 FROM ${sequence}`,
      [],
    ],
  ]
  // All keys are new by construction; not looking for doubles saves a third of the time.
  await connection.query('SET unique_checks = 0')
  try {
    for (const [sql, values] of statements) await connection.query(sql, values)
  } finally {
    await connection.query('SET unique_checks = 1')
  }
}
