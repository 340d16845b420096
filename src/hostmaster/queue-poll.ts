import type { DatabaseConnection } from './connection.js'
import { QUEUE_LOCK_ROW } from './queue-lock-row.js'
import { VARIABLES, readVariables, type Variables } from './variables.js'

/** What one poll tells. It costs the same whatever the history: nothing in it reads below `floor`. */
export interface QueuePoll {
  /** Highest vid of any task revision; 0 in an empty table. */
  maxVid: number
  /** Which server and database answered, and when it was started: another one must not be taken for the same. */
  server: string
  /**
   * Number of all rows in (floor, mark], and sum of the vids of those with status 0, superseded ones included. A task comes
   * late, is superseded by a row that comes late, or is cancelled only with a change of one of the two.
   */
  rows: VidSum
  /** Number and sum of the vids of waiting tasks in (from, mark]: differs from ours when one came late or left. */
  overlap: VidSum
  /** Connection that holds the leader lock; null: nobody. */
  leader: number | null
  /** Drupal's lock row of the task queue; null: nobody holds it. */
  lockRow: { value: string; expire: number } | null
  variables: Variables
}

/** Stands for a set of vids, to be compared with another. */
export interface VidSum {
  count: number
  sum: number
}

/** What a poll looks at again. */
export interface PollWindow {
  /** Late vids are looked for in (floor, mark]; an empty window looks for none. */
  floor: number
  mark: number
  /**
   * The rows above this are looked at one by one whether they are a task's current one, which takes twice as long; `floor`:
   * all of them, `mark`: none.
   */
  from: number
}

interface PollRow {
  kind: 'max' | 'server' | 'rows' | 'overlap' | 'leader' | 'lock' | 'variable'
  name: Buffer | null
  number: number | null
  text: Buffer | null
}

/**
 * The poll: one statement, a row a fact. Idle cost is what it is for, so what every turn of the daemon must know stands
 * in it: each row is a look-up by key, but `rows` and `overlap`, which read windows of vids that the daemon chooses. Texts are
 * bytes, because a union of columns, variables and constants has no common collation.
 */
const POLL = `
  SELECT 'max' AS kind, CAST(NULL AS BINARY) AS name, CAST(MAX(vid) AS DOUBLE) AS number, CAST(NULL AS BINARY) AS text
    FROM hosting_task
  UNION ALL
  SELECT 'server', NULL, NULL,
    CAST(CONCAT_WS('/', @@server_id, @@hostname, @@port, @@datadir, DATABASE()) AS BINARY)
  UNION ALL
  SELECT 'rows', CAST(COUNT(*) AS BINARY), CAST(SUM(IF(t.task_status = 0, t.vid, 0e0)) AS DOUBLE), NULL
    FROM hosting_task t WHERE t.vid > ? AND t.vid <= ?
  UNION ALL
  SELECT 'overlap', CAST(COUNT(*) AS BINARY), CAST(SUM(t.vid) AS DOUBLE), NULL
    FROM hosting_task t STRAIGHT_JOIN node n ON n.vid = t.vid
    WHERE t.vid > ? AND t.vid <= ? AND t.task_status = 0 AND n.type = 'task'
  UNION ALL
  SELECT 'leader', NULL, CAST(IS_USED_LOCK(?) AS DOUBLE), NULL
  UNION ALL
  SELECT 'lock', NULL, s.expire, CAST(s.value AS BINARY) FROM semaphore s WHERE s.name = '${QUEUE_LOCK_ROW}'
  UNION ALL
  SELECT 'variable', CAST(v.name AS BINARY), NULL, CAST(v.value AS BINARY) FROM variable v
    WHERE v.name IN (${VARIABLES.map((name) => `'${name}'`).join(', ')})`

export async function pollQueue(
  connection: DatabaseConnection,
  { floor, mark, from }: PollWindow,
  leaderLock: string,
): Promise<QueuePoll> {
  const poll: QueuePoll = {
    maxVid: 0,
    server: '',
    rows: { count: 0, sum: 0 },
    overlap: { count: 0, sum: 0 },
    leader: null,
    lockRow: null,
    variables: {},
  }
  const rows = await connection.rows<PollRow>(POLL, [floor, mark, from, mark, leaderLock])
  const variables: { name: string; value: string }[] = []
  for (const { kind, name, number, text } of rows) {
    switch (kind) {
      case 'max':
        poll.maxVid = number ?? 0
        break
      case 'server':
        poll.server = text?.toString() ?? ''
        break
      case 'rows':
      case 'overlap':
        poll[kind] = { count: Number(name?.toString() ?? 0), sum: number ?? 0 }
        break
      case 'leader':
        poll.leader = number
        break
      case 'lock':
        poll.lockRow = { value: text?.toString() ?? '', expire: number ?? 0 }
        break
      case 'variable':
        variables.push({ name: name?.toString() ?? '', value: text?.toString() ?? '' })
        break
    }
  }
  poll.variables = readVariables(variables)
  return poll
}
