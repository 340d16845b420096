import type { DatabaseConnection } from '../hostmaster/connection.js'
import { pollQueue, type QueuePoll, type VidSum } from '../hostmaster/queue-poll.js'
import { readArguments, readOpenTasks, readTasksAbove, type TaskRow } from '../hostmaster/task-queries.js'
import { QueueMirror } from './queue-mirror.js'

/** Vids that one step of a reconcile reads: some milliseconds of the server's time. */
const RECONCILE_STEP = 20_000

/**
 * The overlap holds every task that waits since lately, and the server reads each of them to count them. So it is looked
 * at no more often than once in so many milliseconds for each task that waits: five hundred and more are not asked for
 * with every poll, and ten thousand every ten seconds.
 */
const LOOK_BACK_INTERVAL_PER_TASK = 1

/**
 * The rows of the overlap are counted as well, and of the last ten minutes of a queue that is drained fast there are tens of
 * thousands, at 1.5 µs each. So many milliseconds for each beyond the thousand that every poll may look at, up to five seconds.
 */
const LOOK_BACK_INTERVAL_PER_ROW = 0.4
const ROWS_OF_EVERY_POLL = 1_000
const LONGEST_LOOK_BACK_INTERVAL = 5_000

/** The mark is not trusted: everything is read again this often, in milliseconds. */
const RECONCILE_INTERVAL = 10 * 60_000

/**
 * How long it is believed of a window that nothing has changed in it because its rows sum up to the same, in milliseconds:
 * that a node alone was deleted or set back shows in none of them.
 */
const VERIFIED_AGE = 10_000

/** A window of vids in which the mirror was true, and what was there. */
interface Verified {
  floor: number
  mark: number
  /** When its rows were looked at one by one. */
  at: number
  /** What the database had. */
  rows: VidSum
  /** What the mirror had. */
  overlap: VidSum
}

/**
 * Keeps the mirror true. A poll costs one statement while nothing changes; what is new lies above the mark, what came
 * late shows in the overlap's count and sum. Where a look shortly before was at the same window, it is enough that its rows
 * sum up to the same as then, and the mirror too. Everything else (a restored database, another server, a node set back to an old
 * revision) is found by a reconcile: the whole table, in steps, so that it never delays a start.
 */
export class QueueReader {
  readonly mirror = new QueueMirror()
  #server: string | undefined
  #reconcile: { next: number; high: number } | undefined
  #reconciledAt = Number.NEGATIVE_INFINITY
  #lookedBackAt = Number.NEGATIVE_INFINITY
  /** How many rows the last look counted in the overlap. */
  #overlapRows = 0
  #verified: Verified | undefined
  #complete = false

  /** Whether the mirror holds every waiting task, so that the first in order can be known. */
  get complete(): boolean {
    return this.#complete
  }

  /** Whether everything is known, and nothing is being read again. */
  get isAtRest(): boolean {
    return this.#complete && !this.#reconcile
  }

  /** Vids among which a poll looks for what came late; an empty window while there is so much in it that few polls look. */
  window(now: number, interval: number): { floor: number; mark: number } {
    const { mirror } = this
    const isLooked = this.#lookBackInterval <= interval
    return { floor: isLooked ? mirror.floor(now) : mirror.mark, mark: mirror.mark }
  }

  /** Milliseconds that lie between two looks at the overlap at least. */
  get #lookBackInterval(): number {
    const { waiting } = this.mirror
    const rows = Math.max(0, this.#overlapRows - ROWS_OF_EVERY_POLL)
    const forRows = Math.min(rows * LOOK_BACK_INTERVAL_PER_ROW, LONGEST_LOOK_BACK_INTERVAL)
    return Math.max(waiting.size * LOOK_BACK_INTERVAL_PER_TASK, forRows)
  }

  /** A new connection may lead to another server or another state of it: read everything again, bit by bit. */
  reconnected(): void {
    this.#reconciledAt = Number.NEGATIVE_INFINITY
    this.#lookedBackAt = Number.NEGATIVE_INFINITY
    this.#overlapRows = 0
    this.#verified = undefined
    this.#reconcile = undefined
  }

  /**
   * @param lookBackInterval milliseconds: a poll that comes sooner after one that looked at the overlap does not look
   *   at it. A wake-up tells of a new task, which lies above the mark; ten thousand tasks in the overlap would cost it
   *   more time than all else.
   * @throws DatabaseError
   */
  async poll(
    connection: DatabaseConnection,
    leaderLock: string,
    now: number,
    lookBackInterval = 0,
  ): Promise<QueuePoll> {
    const { mirror } = this
    const mark = mirror.mark
    const interval = Math.max(lookBackInterval, this.#lookBackInterval)
    const looksBack = now - this.#lookedBackAt >= interval - 1
    const floor = looksBack ? mirror.floor(now) : mark
    if (looksBack) this.#lookedBackAt = now
    const verified = this.#verifiedOf(floor, mark, now)
    const poll = await pollQueue(connection, { floor, mark, from: verified ? mark : floor }, leaderLock)
    if (poll.server !== this.#server) {
      this.#server = poll.server
      this.#complete = false
      mirror.reset(poll.maxVid, now)
      this.reconnected()
    } else if (poll.maxVid < mark) {
      // A restored database, or only the newest task deleted: what is known is doubted while work goes on, because
      // each start is checked by key.
      mirror.rewind(poll.maxVid)
      this.reconnected()
    } else {
      const above =
        poll.maxVid > mark ? await this.#withArguments(connection, await readTasksAbove(connection, mark)) : []
      mirror.advance(above, poll.maxVid, now)
      if (looksBack) {
        this.#overlapRows = poll.rows.count
        const isTrue = verified ? isSame(poll.rows, verified.rows) : isSame(mirror.overlap(floor, mark), poll.overlap)
        if (!isTrue) await this.#readRange(connection, floor, mark)
        const at = verified && isTrue ? verified.at : now
        this.#verified = { floor, mark, at, rows: poll.rows, overlap: mirror.overlap(floor, mark) }
      }
    }
    if (!this.#reconcile && now - this.#reconciledAt >= RECONCILE_INTERVAL) {
      this.#reconcile = { next: 0, high: mirror.mark }
    }
    await this.#reconcileStep(connection, now)
    // The first reconcile is not for waiting: without it the order of the queue is not known.
    while (!this.#complete) await this.#reconcileStep(connection, now)
    return poll
  }

  /** What is known of the same window, unless it is old or the mirror has changed in it. */
  #verifiedOf(floor: number, mark: number, now: number): Verified | undefined {
    const known = this.#verified
    if (known?.floor !== floor || known.mark !== mark || now - known.at >= VERIFIED_AGE) return undefined
    return isSame(this.mirror.overlap(floor, mark), known.overlap) ? known : undefined
  }

  async #reconcileStep(connection: DatabaseConnection, now: number): Promise<void> {
    if (!this.#reconcile) return
    const { next, high } = this.#reconcile
    const upTo = Math.min(next + RECONCILE_STEP, high)
    await this.#readRange(connection, next, upTo)
    if (upTo < high) {
      this.#reconcile = { next: upTo, high }
      return
    }
    this.#reconcile = undefined
    this.#reconciledAt = now
    this.#complete = true
  }

  async #readRange(connection: DatabaseConnection, low: number, high: number): Promise<void> {
    const rows = await readOpenTasks(connection, low, high)
    this.mirror.replaceRange(low, high, await this.#withArguments(connection, rows))
  }

  /** Arguments never change under a vid, so those that the mirror has are not read again. */
  async #withArguments(connection: DatabaseConnection, rows: TaskRow[]): Promise<TaskRow[]> {
    const { waiting, processing } = this.mirror
    const unknown: TaskRow[] = []
    for (const row of rows) {
      const known = waiting.get(row.nid) ?? processing.get(row.nid)
      if (known?.vid === row.vid) row.arguments = known.arguments
      else unknown.push(row)
    }
    await readArguments(connection, unknown)
    return rows
  }
}

function isSame(one: VidSum, other: VidSum): boolean {
  return one.count === other.count && one.sum === other.sum
}
