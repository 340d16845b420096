import type { VidSum } from '../hostmaster/queue-poll.js'
import type { TaskRow } from '../hostmaster/task-queries.js'

/** A lower vid can commit later than a higher one, so the last vids are looked at again: of this many milliseconds … */
const OVERLAP_MS = 10 * 60_000
/** … and at least this many. */
const OVERLAP_VIDS = 1_000

/** How often the highest vid is noted; ten minutes are remembered with a handful of numbers. */
const SAMPLE_MS = 30_000

/**
 * What the database says of the queue, kept in memory so that a poll need not read it again: the current tasks that
 * wait (status 0) or are processed (status -1), and the high-water mark, the highest vid that was taken in.
 */
export class QueueMirror {
  readonly waiting = new Map<number, TaskRow>()
  readonly processing = new Map<number, TaskRow>()
  mark = 0
  /** How many times a task began to wait here. */
  arrivals = 0
  #samples: { at: number; vid: number }[] = []

  /** Forgets everything: another server or a restored database has another history. */
  reset(mark: number, now: number): void {
    this.waiting.clear()
    this.processing.clear()
    this.mark = mark
    this.#samples = [{ at: now, vid: mark }]
  }

  /** The highest vid has fallen: what was above it is gone, and what will be there is new. */
  rewind(mark: number): void {
    this.mark = mark
    for (const row of [...this.waiting.values(), ...this.processing.values()]) if (row.vid > mark) this.remove(row.nid)
    this.#samples = this.#samples.map(({ at, vid }) => ({ at, vid: Math.min(vid, mark) }))
  }

  /** The vid above which the next poll looks, so that a vid that commits late is seen. */
  floor(now: number): number {
    while (this.#samples[1] && this.#samples[1].at <= now - OVERLAP_MS) this.#samples.shift()
    const oldest = this.#samples[0]?.vid ?? this.mark
    return Math.max(0, Math.min(oldest, this.mark - OVERLAP_VIDS))
  }

  /** Takes in current rows above the mark, whatever their status, and moves the mark. */
  advance(rows: TaskRow[], mark: number, now: number): void {
    for (const row of rows) this.put(row)
    this.mark = Math.max(mark, this.mark)
    const last = this.#samples.at(-1)
    if (!last || now - last.at >= SAMPLE_MS) this.#samples.push({ at: now, vid: this.mark })
  }

  /** Takes in all open tasks with a vid in (low, high]: one that is missing is no longer open. */
  replaceRange(low: number, high: number, rows: TaskRow[]): void {
    const current = new Set(rows.map((row) => row.vid))
    for (const map of [this.waiting, this.processing]) {
      for (const [nid, row] of map) {
        if (row.vid > low && row.vid <= high && !current.has(row.vid)) map.delete(nid)
      }
    }
    for (const row of rows) this.put(row)
  }

  put(row: TaskRow): void {
    const known = this.waiting.get(row.nid)
    this.remove(row.nid)
    if (row.status === 0) {
      if (known?.vid !== row.vid) this.arrivals += 1
      else if (known.bulk !== undefined) row.bulk = known.bulk
      this.waiting.set(row.nid, row)
    } else if (row.status === -1) this.processing.set(row.nid, row)
  }

  remove(nid: number): void {
    this.waiting.delete(nid)
    this.processing.delete(nid)
  }

  /** Number and sum of the waiting vids in (floor, mark], to be compared with the database's. */
  overlap(floor: number, mark: number): VidSum {
    let count = 0
    let sum = 0
    for (const { vid } of this.waiting.values()) {
      if (vid <= floor || vid > mark) continue
      count += 1
      sum += vid
    }
    return { count, sum }
  }
}
