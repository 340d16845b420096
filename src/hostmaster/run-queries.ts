import type { DatabaseConnection } from './connection.js'
import { QUEUE_LOCK_ROW } from './queue-lock-row.js'

/** Name of the lock row that makes one start out of one queueing: a vid is new for every queueing. */
export function claimName(vid: number): string {
  return `skynet_run_${vid}`
}

/** Drupal deletes expired locks of others when it wants them itself; nobody wants these, so any far time will do. */
const CLAIM_EXPIRE = 4_102_444_800 // 2100-01-01

export interface Claim {
  vid: number
  /** `skynet:<machine>:<boot>:<run>`: enough to know the run again should its record be lost. */
  value: string
}

/**
 * The last act before a child is started. The row appears only if, in that very moment, the task is still queued
 * under this vid, we still hold the leader lock, and Drupal's lock row is ours; so neither a daemon that was frozen
 * since its last look nor one that lost its leadership starts anything.
 *
 * @returns whether the claim is ours; false when one of the three no longer holds.
 * @throws DatabaseError of kind `duplicate` when another run has claimed this queueing.
 */
export async function insertClaim(
  connection: DatabaseConnection,
  claim: Claim,
  authority: { leaderLock: string; leaderConnection: number; lockRowValue: string },
): Promise<boolean> {
  const statement = `INSERT INTO semaphore (name, value, expire)
    SELECT ?, ?, ${CLAIM_EXPIRE}
    FROM hosting_task t
    JOIN node n ON n.nid = t.nid AND n.vid = t.vid
    JOIN semaphore s ON s.name = '${QUEUE_LOCK_ROW}' AND s.value = ?
    WHERE t.vid = ? AND t.task_status = 0 AND n.type = 'task' AND IS_USED_LOCK(?) = ?`
  const values = [
    claimName(claim.vid),
    claim.value,
    authority.lockRowValue,
    claim.vid,
    authority.leaderLock,
    authority.leaderConnection,
  ]
  return (await connection.change(statement, values)) === 1
}

/** Who has claimed this queueing; undefined: nobody. */
export async function readClaim(connection: DatabaseConnection, vid: number): Promise<string | undefined> {
  const rows = await connection.rows<{ value: string }>('SELECT value FROM semaphore WHERE name = ?', [claimName(vid)])
  return rows[0]?.value
}

/** Every claim there is: at most one a run that is not settled. */
export async function readClaims(connection: DatabaseConnection): Promise<Claim[]> {
  const statement = `SELECT name, value FROM semaphore WHERE name LIKE 'skynet\\_run\\_%'`
  const rows = await connection.rows<{ name: string; value: string }>(statement)
  return rows.map(({ name, value }) => ({ vid: Number(name.slice('skynet_run_'.length)), value }))
}

/** Removes our own claim; one of another run is left alone. */
export async function deleteClaim(connection: DatabaseConnection, claim: Claim): Promise<void> {
  await connection.change('DELETE FROM semaphore WHERE name = ? AND value = ?', [claimName(claim.vid), claim.value])
}

/** So many claims are removed with one statement; fewer take the same one, so that the server keeps one prepared. */
export const CLAIMS_AT_ONCE = 8

/**
 * Removes our own claims, `CLAIMS_AT_ONCE` at most; those of other runs are left alone. Each value holds the name of its
 * run, so none stands under another's name. By key: a scan of so small a table would lock Drupal's own rows.
 */
export async function deleteClaims(connection: DatabaseConnection, claims: readonly Claim[]): Promise<void> {
  const [first] = claims
  if (!first) return
  const places = Array.from({ length: CLAIMS_AT_ONCE }, () => '?').join(', ')
  const statement = `DELETE s FROM semaphore s FORCE INDEX (PRIMARY) WHERE s.name IN (${places}) AND s.value IN (${places})`
  const padded = Array.from({ length: CLAIMS_AT_ONCE }, (_, index) => claims[index] ?? first)
  await connection.change(statement, [...padded.map(({ vid }) => claimName(vid)), ...padded.map(({ value }) => value)])
}

/** What the database says of a run's task, all read in one moment. */
export interface RunTaskRows {
  /** The revision that the run's drush made; undefined when it made none. */
  run: { vid: number; status: number | null } | undefined
  /** The revision that was queued; undefined when it is gone. */
  queued: { status: number | null } | undefined
  /** `node.vid`; undefined when the node is gone. */
  currentVid: number | undefined
}

/**
 * The task's row of a run is the lowest vid of the nid above the queued one, with `executed` not before the run's
 * start (whole seconds); a higher one is somebody's `--force`.
 */
export async function readRunTaskRows(
  connection: DatabaseConnection,
  run: { nid: number; vid: number; startedAt: number },
): Promise<RunTaskRows> {
  const statement = `
    SELECT 'queued' AS kind, t.vid, t.task_status AS status FROM hosting_task t WHERE t.vid = ? AND t.nid = ?
    UNION ALL
    (SELECT 'run', t.vid, t.task_status FROM hosting_task t
      WHERE t.nid = ? AND t.vid > ? AND t.executed >= ? ORDER BY t.vid LIMIT 1)
    UNION ALL
    SELECT 'node', n.vid, NULL FROM node n WHERE n.nid = ? AND n.type = 'task'`
  const values = [run.vid, run.nid, run.nid, run.vid, Math.floor(run.startedAt / 1000), run.nid]
  const rows = await connection.rows<{ kind: string; vid: number; status: number | null }>(statement, values)
  const of = (kind: string) => rows.find((row) => row.kind === kind)
  return { run: of('run'), queued: of('queued'), currentVid: of('node')?.vid }
}

/**
 * Sets a task to status error where its status is still the one that was read, for the same vid, after an `error` row
 * says why: Aegir derives the status from the log rows, so without that row "Update status" would turn it green.
 *
 * @returns whether it was changed; nothing is written when it was not.
 */
export async function markTaskFailed(
  connection: DatabaseConnection,
  task: { nid: number; vid: number; status: 0 | -1 },
  message: string,
  now: number,
): Promise<boolean> {
  return connection.transaction(async () => {
    if ((await lockStatus(connection, task)) !== task.status) return false
    await addErrorRow(connection, task, message, now)
    const update = 'UPDATE hosting_task SET task_status = 2 WHERE vid = ? AND task_status = ?'
    return (await connection.change(update, [task.vid, task.status])) === 1
  })
}

/**
 * Adds an `error` row to the log of a task that is being processed, and only while it is.
 *
 * @returns whether it was.
 */
export async function addErrorWhileProcessing(
  connection: DatabaseConnection,
  task: { nid: number; vid: number },
  message: string,
  now: number,
): Promise<boolean> {
  return connection.transaction(async () => {
    if ((await lockStatus(connection, task)) !== -1) return false
    await addErrorRow(connection, task, message, now)
    return true
  })
}

/** The status of a row that nobody else changes until the end of the transaction; undefined when it is gone. */
async function lockStatus(
  connection: DatabaseConnection,
  { nid, vid }: { nid: number; vid: number },
): Promise<number | null | undefined> {
  const statement = 'SELECT task_status AS status FROM hosting_task WHERE vid = ? AND nid = ? FOR UPDATE'
  return (await connection.rows<{ status: number | null }>(statement, [vid, nid]))[0]?.status
}

async function addErrorRow(
  connection: DatabaseConnection,
  { nid, vid }: { nid: number; vid: number },
  message: string,
  now: number,
): Promise<void> {
  const statement = `INSERT INTO hosting_task_log (vid, nid, type, message, error, timestamp) VALUES (?, ?, 'error', ?, '', ?)`
  await connection.change(statement, [vid, nid, message, Math.floor(now / 1000)])
}
