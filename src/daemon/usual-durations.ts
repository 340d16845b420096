import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import { readDurations, type DurationCount } from '../hostmaster/task-history.js'
import type { Logger } from '../observe/logger.js'
import { Distribution } from './distribution.js'

/** How long tasks of one type take here. Aegir counts whole seconds: what took less is counted as one. */
export interface UsualDuration {
  /** How many tasks this was taken from. */
  count: number
  median_ms: number
  p95_ms: number
}

/** Vids that it is taken from: the latest, because sites grow and machines change. */
const LATEST_VIDS = 50_000

/** Vids that one step reads: some milliseconds of the server's time. */
const STEP = 5_000

/** How often all is read anew, in milliseconds. */
const INTERVAL = 10 * 60_000

/**
 * How long tasks usually take, by type, from Aegir's own history. The daemon reads it in steps between its turns, so
 * that it never delays a start; nothing depends on it, and until the first round is over it is empty.
 */
export class UsualDurations {
  readonly #logger: Logger
  #usual: ReadonlyMap<string, UsualDuration> = new Map()
  #reading: { next: number; high: number; tally: Tally } | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** As last read; types that never got to an end are missing. */
  usualDurations(): ReadonlyMap<string, UsualDuration> {
    return this.#usual
  }

  /** A new connection may lead to another server, or to another database of this one: read anew. */
  reconnected(): void {
    this.#reading = undefined
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /**
   * Reads a part of the history, when it is time.
   * @param highestVid the highest vid of the task table
   * @param now milliseconds, monotonic
   * @throws DatabaseError when the connection is lost
   */
  async step(connection: DatabaseConnection, highestVid: number, now: number): Promise<void> {
    if (!this.#reading && now - this.#readAt >= INTERVAL) {
      this.#reading = { next: Math.max(0, highestVid - LATEST_VIDS), high: highestVid, tally: new Tally() }
    }
    if (!this.#reading) return
    const { next, high, tally } = this.#reading
    const upTo = Math.min(next + STEP, high)
    try {
      tally.add(await readDurations(connection, next, upTo))
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault.kind === 'lost') throw error
      this.#logger.debug({ err: error }, 'usual durations could not be read; tried again later')
      this.#reading = undefined
      this.#readAt = now
      return
    }
    if (upTo < high) {
      this.#reading.next = upTo
      return
    }
    this.#usual = tally.usual()
    this.#reading = undefined
    this.#readAt = now
    this.#logger.debug({ types: this.#usual.size }, 'usual durations read')
  }
}

/** The same for a verb, in one go. @throws DatabaseError */
export async function readUsualDurations(
  connection: DatabaseConnection,
  highestVid: number,
): Promise<ReadonlyMap<string, UsualDuration>> {
  const tally = new Tally()
  tally.add(await readDurations(connection, Math.max(0, highestVid - LATEST_VIDS), highestVid))
  return tally.usual()
}

/** Counts durations by type, in seconds. */
class Tally {
  readonly #types = new Map<string, Distribution>()

  add(counts: readonly DurationCount[]): void {
    for (const { type, seconds, count } of counts) {
      const known = this.#types.get(type) ?? new Distribution()
      this.#types.set(type, known)
      known.add(Math.max(1, seconds), count)
    }
  }

  usual(): Map<string, UsualDuration> {
    return new Map(
      [...this.#types].map(([type, counted]) => {
        const ms = (share: number): number => (counted.quantile(share) ?? 1) * 1000
        return [type, { count: counted.count, median_ms: ms(0.5), p95_ms: ms(0.95) }]
      }),
    )
  }
}
