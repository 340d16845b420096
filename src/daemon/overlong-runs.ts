import type { RunRecord } from '../runner/run-record.js'
import type { UsualDuration } from './usual-durations.js'

/** A run is overlong when it takes this many times what 95 of 100 tasks of its type take at most. */
const TIMES = 3

/** What is usual is not known from fewer tasks of a type. */
const LEAST_TASKS = 5

/** No run is overlong before, in milliseconds: of a verify that takes a second, nobody wants to be told after four. */
const LEAST_AGE = 60_000

/** The age, in milliseconds, from which a run is overlong. */
export function overlongFrom({ count, p95_ms }: UsualDuration): number {
  return count < LEAST_TASKS ? Number.POSITIVE_INFINITY : Math.max(LEAST_AGE, TIMES * p95_ms)
}

export interface OverlongRun {
  record: RunRecord
  age: number
  /** The usual 95th percentile. */
  usual: number
}

interface KnownRun {
  /** When it was first looked at, and how old it was then. */
  age: number
  at: number
  isTold: boolean
}

/** Finds the runs that take so much longer than usual that they may hang, each of them once. */
export class OverlongRuns {
  /** Ages are counted from the first look, by a clock that never jumps. */
  #known = new Map<string, KnownRun>()

  /**
   * @param running records of the runs whose processes live
   * @param now milliseconds since 1970
   * @param monotonic milliseconds
   */
  look(
    running: readonly RunRecord[],
    usual: ReadonlyMap<string, UsualDuration>,
    now: number,
    monotonic: number,
  ): OverlongRun[] {
    const overlong: OverlongRun[] = []
    const known = new Map<string, KnownRun>()
    for (const record of running) {
      if (record.started_at === null) continue
      const run = this.#known.get(record.run) ?? {
        age: Math.max(0, now - record.started_at),
        at: monotonic,
        isTold: false,
      }
      known.set(record.run, run)
      const type = usual.get(record.type)
      if (run.isTold || !type) continue
      const age = run.age + monotonic - run.at
      if (age < overlongFrom(type)) continue
      run.isTold = true
      overlong.push({ record, age, usual: type.p95_ms })
    }
    this.#known = known
    return overlong
  }
}
