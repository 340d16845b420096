import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './clock.js'

/**
 * How long there must have been no run before the collection, and from one to the next, in milliseconds. A little less than
 * ten seconds, in which even the quietest daemon has a turn, so that each of those turns collects.
 */
const REST = 9_000

/** The first frees what the runs have left, the others what has served to collect it, and code that is not run any more. */
const TIMES = 4

/**
 * Gives memory back when the work is done. V8 collects its garbage when much has been allocated, and a daemon that is
 * idle again allocates little: what ten thousand tasks have left, 35 MB, would stay for hours. A collection takes 15 ms.
 */
export class RestCollection {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #collect: () => void
  #since = 0
  /** One for what the start has left, 10 MB. */
  #due = 1

  constructor(clock: Pick<Clock, 'monotonic'>, collect: () => void = collectGarbage) {
    this.#clock = clock
    this.#collect = collect
  }

  /** To be called now and then. @param isBusy whether there is a run. */
  look(isBusy: boolean): void {
    const now = this.#clock.monotonic()
    if (isBusy) {
      this.#due = TIMES
      this.#since = now
    }
    if (this.#due === 0 || now - this.#since < REST) return
    this.#due -= 1
    this.#since = now
    this.#collect()
  }
}

/** Node gives the function only to who asks for it at its start, or in this way. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
