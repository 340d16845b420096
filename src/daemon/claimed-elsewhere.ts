import type { Clock } from './clock.js'

/** How long a task is left alone that another daemon has claimed, before it is looked at again, in milliseconds. */
const LEAVE_ALONE = 10_000

/** Waiting tasks whose start another daemon has claimed: theirs to run, or theirs to give back. */
export class ClaimedElsewhere {
  readonly #clock: Clock
  readonly #tasks = new Map<number, { vid: number; claim: string; until: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns whether this is news: the claim was not known yet. */
  note(task: { nid: number; vid: number }, claim: string): boolean {
    const known = this.#tasks.get(task.nid)
    this.#tasks.set(task.nid, { vid: task.vid, claim, until: this.#clock.now() + LEAVE_ALONE })
    return known?.vid !== task.vid || known.claim !== claim
  }

  /** Until when the task is left alone, in milliseconds since 1970; undefined: it is not. */
  until(task: { nid: number; vid: number }): number | undefined {
    const noted = this.#tasks.get(task.nid)
    const left = (noted?.until ?? 0) - this.#clock.now()
    // Longer than that it can only be where somebody has set the clock back.
    return noted?.vid === task.vid && left > 0 && left <= LEAVE_ALONE ? noted.until : undefined
  }
}
