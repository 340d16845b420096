import { readKernelFile } from './kernel-file.js'

/** A moment in the sequence of pids: which was given away last, and when that was, in milliseconds of a clock that does not jump. */
export interface PidMark {
  pid: number
  at: number
}

/** Longer ago than this, in milliseconds, the sequence may have begun anew and have come round. */
const SHORT = 500

/** With fewer pids than Linux's usual number, a machine could come round within `SHORT`. */
const USUAL_PIDS = 32_768

/** So many new processes are looked at one by one; to look at all that there are is then hardly dearer. */
const FEW = 64

/**
 * Which processes are new, told by their pids. Linux gives pids away in ascending order and begins anew at the highest, and
 * the last field of /proc/loadavg is the one that it gave away last. So the processes of a short run are among a few,
 * and need not be looked for among all of a server's, which takes as long as the rest of a run's end.
 *
 * Where that cannot be relied on, nothing is said, and who asks looks at all of them: another /proc/loadavg than the
 * kernel's (that of lxcfs is seconds old, that of a sandbox may be zeros), a long run, a small range of pids.
 */
export class PidSequence {
  readonly #root: string
  readonly #buffer = Buffer.allocUnsafe(256)
  readonly #monotonic: () => number
  #isReliable: boolean

  constructor(root = '/proc', monotonic = () => performance.now()) {
    this.#root = root
    this.#monotonic = monotonic
    this.#isReliable = this.#read('sys/kernel/pid_max', /^(\d+)$/) >= USUAL_PIDS
  }

  /** Checks the sequence by a process that has been made in this moment: its pid is the last, or all but the last. */
  check(born: number): void {
    const newer = this.#newest() - born
    if (!(newer >= 0 && newer <= FEW)) this.#isReliable = false
  }

  /** This moment, for `since`; undefined: nothing will be told of it. */
  mark(): PidMark | undefined {
    return this.#isReliable ? { pid: this.#newest(), at: this.#monotonic() } : undefined
  }

  /**
   * The pids given away since, to threads too, whether they are still in use or not; undefined: they are not known. A
   * process has been made since the mark, or else it is not believed.
   */
  since(mark: PidMark): number[] | undefined {
    if (!this.#isReliable || this.#monotonic() - mark.at > SHORT) return undefined
    const count = this.#newest() - mark.pid
    if (!(count > 0 && count <= FEW)) return undefined
    return Array.from({ length: count }, (_, index) => mark.pid + 1 + index)
  }

  #newest(): number {
    return this.#read('loadavg', / (\d+)$/)
  }

  /** NaN where there is no such number, or none can be read now: then nothing is said. */
  #read(file: string, form: RegExp): number {
    try {
      return Number(form.exec(readKernelFile(`${this.#root}/${file}`, this.#buffer)?.trimEnd() ?? '')?.[1])
    } catch {
      return Number.NaN
    }
  }
}
