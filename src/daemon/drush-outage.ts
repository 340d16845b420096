import type { Clock } from './clock.js'

/** Waits between probes while drush does not work, in milliseconds; the last one repeats. */
const BACK_OFF = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000]

/**
 * Whether drush works at all. It does until a start fails and then either `drush @hostmaster status` fails too, or a
 * different task failed to start just before. In an outage nothing counts against a task and nothing is started but
 * one probe a back-off:
 *
 * - working: starts are free.
 * - out, by `status`: the probe is `drush @hostmaster status`; when it answers, drush works again.
 * - out, by `tasks`: status answers, yet no task gets through; the probe is one start, of a task that was not tried
 *   yet if there is one, and the outage ends with the first that gets through. So a few tasks that cannot be started
 *   do not keep those behind them from being tried.
 */
export type DrushState =
  { kind: 'working' } | { kind: 'out'; by: 'status' | 'tasks'; reason: string; since: number; probeAt: number }

export class DrushOutage {
  readonly #clock: Clock
  #state: DrushState = { kind: 'working' }
  #probes = 0
  #lastFailure: number | undefined
  /** The tasks that failed to start since any got through, in this round of probes. */
  readonly #tried = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get state(): DrushState {
    return this.#state
  }

  /** The task whose start failed last, since any got through. */
  get lastFailure(): number | undefined {
    return this.#lastFailure
  }

  /**
   * Those of the tasks that the next probe is to be chosen from. When all of them have been tried, a new round begins,
   * with the last one at its end.
   */
  probeFrom<Task extends { nid: number }>(tasks: readonly Task[]): readonly Task[] {
    const untried = tasks.filter(({ nid }) => !this.#tried.has(nid))
    if (untried.length > 0 || tasks.length < 2) return untried.length > 0 ? untried : tasks
    this.#tried.clear()
    if (this.#lastFailure !== undefined) this.#tried.add(this.#lastFailure)
    return tasks.filter(({ nid }) => !this.#tried.has(nid))
  }

  /** A task got through: drush works. @returns whether that ended an outage. */
  gotThrough(): boolean {
    this.#lastFailure = undefined
    this.#tried.clear()
    return this.#end()
  }

  /** `drush @hostmaster status` answered while it was the probe. */
  statusAnswers(): boolean {
    return this.#state.kind === 'out' && this.#state.by === 'status' && this.#end()
  }

  /**
   * A start failed, and `drush @hostmaster status` was asked.
   * @returns `attempt` when the fault is the task's own; else the outage it belongs to, `new` when it begins with it.
   */
  failed(nid: number, statusFault: string | undefined): { kind: 'attempt' } | { kind: 'outage'; new: boolean } {
    const another = this.#lastFailure !== undefined && this.#lastFailure !== nid
    this.#lastFailure = nid
    this.#tried.add(nid)
    if (statusFault !== undefined) return { kind: 'outage', new: this.#begin('status', statusFault) }
    if (another || this.#state.kind === 'out') {
      const reason = 'drush answers, but two different tasks in a row could not be started'
      return { kind: 'outage', new: this.#begin('tasks', reason) }
    }
    return { kind: 'attempt' }
  }

  /** The probe of an outage by `status` failed: wait longer. */
  stillOut(reason: string): void {
    this.#begin('status', reason)
  }

  #begin(by: 'status' | 'tasks', reason: string): boolean {
    const before = this.#state
    if (before.kind === 'out' && this.#clock.monotonic() < before.probeAt) {
      // Not the probe: a run that was under way when the outage began.
      this.#state = { ...before, by, reason }
      return false
    }
    const wait = BACK_OFF[Math.min(this.#probes, BACK_OFF.length - 1)] ?? 60_000
    this.#probes += 1
    const since = before.kind === 'out' ? before.since : this.#clock.now()
    this.#state = { kind: 'out', by, reason, since, probeAt: this.#clock.monotonic() + wait }
    return before.kind === 'working'
  }

  #end(): boolean {
    const wasOut = this.#state.kind === 'out'
    this.#state = { kind: 'working' }
    this.#probes = 0
    return wasOut
  }
}
