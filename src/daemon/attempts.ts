import { taskOfRunName, type RunRecord } from '../runner/run-record.js'
import { isReadable, type RunStore } from '../runner/run-store.js'

/** Waits after an attempt of a task that drush did not get to, in milliseconds; the last one repeats. */
const WAITS = [30_000, 2 * 60_000, 10 * 60_000, 60 * 60_000]

/** After so many attempts of its own the task is set to error, so that it shows red in Aegir and can be retried there. */
export const MAX_ATTEMPTS = 5

function waitAfter(attempts: number): number {
  return WAITS[attempts - 1] ?? 60 * 60_000
}

/** All attempts of a task lie within this many milliseconds; what is older need not be recalled. */
export const RECALL = 4 * 60 * 60_000

/** The tasks that wait, by nid. */
type Waiting = ReadonlyMap<number, { vid: number }>

/**
 * The settled runs that `recall` counts, oldest first: those of queueings that still wait. They are known by their names,
 * and there is none as a rule, so that of thousands of records none has to be read.
 */
export function earlierRuns(store: RunStore, waiting: Waiting, now: number): RunRecord[] {
  if (waiting.size === 0) return []
  const runs = store.historyNames().filter((run) => {
    const task = taskOfRunName(run)
    return task && now - task.plannedAt < RECALL && waiting.get(task.nid)?.vid === task.vid
  })
  return runs.map((run) => store.readHistory(run)).filter(isReadable)
}

export interface Parked {
  nid: number
  vid: number
  attempts: number
  /** Milliseconds since 1970. */
  until: number
  reason: string
}

/**
 * Tasks that could not be started although drush works. A parked task holds nothing: the rest of its object's queue
 * waits behind it, everything else goes on.
 */
export class Attempts {
  readonly #parked = new Map<number, Parked>()

  /** Counts an attempt. @returns the parked task, or undefined when it has used up its attempts. */
  count(task: { nid: number; vid: number }, reason: string, now: number): Parked | undefined {
    const before = this.#parked.get(task.nid)
    const attempts = (before?.vid === task.vid ? before.attempts : 0) + 1
    if (attempts >= MAX_ATTEMPTS) {
      this.#parked.delete(task.nid)
      return undefined
    }
    const parked = { ...task, attempts, until: now + waitAfter(attempts), reason }
    this.#parked.set(task.nid, parked)
    return parked
  }

  /**
   * Recalls the attempts of earlier daemons from what the last runs, oldest first, came to. An attempt is counted when
   * drush has been asked whether it works at all, just before the run is settled: a restart makes no wait shorter.
   */
  recall(runs: { nid: number; vid: number; outcome: string | null; settled_at: number | null }[]): void {
    this.#parked.clear()
    for (const { nid, vid, outcome, settled_at } of runs) {
      if (outcome === 'not started') this.count({ nid, vid }, 'drush did not begin it', settled_at ?? 0)
      else if (outcome !== 'outage') this.forget(nid)
    }
  }

  forget(nid: number): void {
    this.#parked.delete(nid)
  }

  /** Drops what is no longer waiting; a clock that was set back makes no wait longer than it was meant to be. */
  keepOnly(waiting: Waiting, now: number): void {
    for (const [nid, parked] of this.#parked) {
      if (waiting.get(nid)?.vid !== parked.vid) this.#parked.delete(nid)
      else parked.until = Math.min(parked.until, now + waitAfter(parked.attempts))
    }
  }

  parked(nid: number): Parked | undefined {
    return this.#parked.get(nid)
  }

  list(): Parked[] {
    return [...this.#parked.values()]
  }
}
