import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import { readTaskEnd } from '../hostmaster/task-history.js'
import { printable } from '../observe/printable.js'
import { redact } from '../runner/run-output.js'
import type { RunRecord } from '../runner/run-record.js'
import { isReadable, type RunStore } from '../runner/run-store.js'

/** How many are kept. */
const KEPT = 5

/** How many of the latest records are looked through for them: a file each, some milliseconds in all. */
const LOOKED_THROUGH = 200

/** A run whose task is red in Aegir because of it. */
export interface Failure {
  nid: number
  type: string
  object: string
  run: string
  /** Milliseconds since 1970. */
  at: number
  duration_ms: number | null
  /** The first error in the task's log; null: there is none, or it has not been read yet. */
  reason: string | null
}

/** The last runs that failed, newest first, those of earlier daemons included, each with what Aegir says of it. */
export class LastFailures {
  readonly #store: RunStore
  #failures: Failure[] = []
  /** Whether those of earlier daemons are known, or need not be: who does not lead asks for none. A start does not wait for that. */
  #hasRecalled = true
  /** Runs whose task has yet to be asked for the reason. */
  readonly #unread = new Set<string>()

  constructor(store: RunStore) {
    this.#store = store
  }

  list(): readonly Failure[] {
    try {
      if (!this.#hasRecalled) this.#recall()
    } catch {
      // Too many open files, or a folder that cannot be read now: the next look finds them.
    }
    return this.#failures
  }

  /** Another daemon may have led: its failures are in the records. What is known already stays known. */
  recallAnew(): void {
    this.#hasRecalled = false
  }

  #recall(): void {
    const found: RunRecord[] = []
    for (const run of this.#store.historyNames().slice(-LOOKED_THROUGH).reverse()) {
      const record = this.#store.readHistory(run)
      if (isReadable(record) && record.outcome === 'error') found.push(record)
      if (found.length === KEPT) break
    }
    for (const record of found.reverse()) this.#take(record)
    this.#hasRecalled = true
  }

  /** A run has been settled. */
  note(record: RunRecord, givenUp: boolean): void {
    if (record.outcome === 'error' || givenUp) this.#take(record)
  }

  /** Asks for the reason of one of them, if any is unknown. @throws DatabaseError when the connection is lost */
  async step(connection: DatabaseConnection): Promise<void> {
    const failure = this.list().find(({ run }) => this.#unread.has(run))
    if (!failure) return
    try {
      const error = (await readTaskEnd(connection, failure.nid))?.error ?? null
      failure.reason = error === null ? null : printable(redact(error))
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault.kind === 'lost') throw error
    }
    this.#unread.delete(failure.run)
  }

  #take({ nid, type, object, run, started_at, planned_at, ended_at }: RunRecord): void {
    if (this.#failures.some((known) => known.run === run)) return
    const at = ended_at ?? planned_at
    const duration = started_at === null || ended_at === null ? null : Math.max(0, ended_at - started_at)
    const failure = { nid, type, object, run, at, duration_ms: duration, reason: null }
    this.#unread.add(run)
    this.#failures = [failure, ...this.#failures].sort((a, b) => b.at - a.at)
    for (const { run: old } of this.#failures.splice(KEPT)) this.#unread.delete(old)
  }
}
