import type { DatabaseConnection } from './connection.js'
import { QUEUE_LOCK_ROW } from './queue-lock-row.js'
import { VARIABLES } from './variables.js'

/** What a poll would look at: the same window of vids, the same leader. */
export interface WatchedQueue {
  /** Late vids are looked for in (floor, mark]; an empty one looks for none. */
  window: { floor: number; mark: number }
  leaderLock: string
}

export interface ChangeRequest extends WatchedQueue {
  /** A user lock: who releases it ends the wait. Where nobody holds it, there is none. */
  wakeLock: string
  /** Milliseconds from one look to the next. */
  interval: number
  /** How many looks at most; the first one is made at once. */
  looks: number
  /** What was answered before, for the same queue; null: whatever is seen is new. */
  fingerprint: string | null
}

/**
 * A poll that the server repeats by itself: it answers when what a poll would tell is not what it was, when the wake lock
 * is released, or when it has looked often enough. A compound statement outside a procedure is MariaDB's own (10.1); as
 * a prepared one it takes 10.6.
 *
 * - Each statement in it is a transaction of its own, so that it sees what others commit, and holds up no ALTER TABLE.
 * - It takes seconds by design: no matter for the slow query log, nor for `max_statement_time`.
 * - Of Drupal's lock row the holder alone counts: we renew the expiry ourselves.
 */
const AWAIT_CHANGE = `
  SET STATEMENT long_query_time = 3600, max_statement_time = 0 FOR
  BEGIN NOT ATOMIC
    DECLARE seen CHAR(32);
    DECLARE looks INT DEFAULT 0;
    look: LOOP
      SELECT MD5(CONCAT_WS('/',
          COALESCE((SELECT MAX(vid) FROM hosting_task), ''),
          @@server_id, @@hostname, @@port, @@datadir, DATABASE(),
          (SELECT CONCAT_WS('/', COUNT(*), COALESCE(SUM(IF(t.task_status = 0, t.vid, 0)), 0))
            FROM hosting_task t WHERE t.vid > ? AND t.vid <= ?),
          COALESCE(IS_USED_LOCK(?), ''),
          COALESCE((SELECT s.value FROM semaphore s WHERE s.name = '${QUEUE_LOCK_ROW}'), ''),
          (SELECT GROUP_CONCAT(v.name, '=', v.value ORDER BY v.name SEPARATOR '/') FROM variable v
            WHERE v.name IN (${VARIABLES.map((name) => `'${name}'`).join(', ')}))))
        INTO seen;
      SET looks = looks + 1;
      IF NOT (seen <=> ?) OR looks >= ? THEN LEAVE look; END IF;
      IF GET_LOCK(?, ?) THEN
        DO RELEASE_LOCK(?);
        LEAVE look;
      END IF;
    END LOOP;
    SELECT seen AS fingerprint;
  END`

/** @returns the fingerprint of the queue as last looked at. @throws DatabaseError, of a server that cannot do this too */
export async function awaitQueueChange(connection: DatabaseConnection, request: ChangeRequest): Promise<string> {
  const { window, leaderLock, wakeLock, interval, looks, fingerprint } = request
  const { floor, mark } = window
  const values = [floor, mark, leaderLock, fingerprint, looks, wakeLock, interval / 1000, wakeLock]
  // A compound statement may have several results; this one has one.
  const [answer] = await connection.rows<{ fingerprint: string }[]>(AWAIT_CHANGE, values, looks * interval)
  return answer?.[0]?.fingerprint ?? ''
}
