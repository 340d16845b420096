import { QueueReader } from '../../daemon/queue-reader.js'
import type { DatabaseConnection } from '../../hostmaster/connection.js'
import { leaderLockName } from '../../hostmaster/leader-lock.js'
import { TASK_STATUS } from '../../hostmaster/task.js'
import { readTaskList, type ListedTask } from '../../hostmaster/task-list.js'
import { readTasksAbove } from '../../hostmaster/task-queries.js'
import { taskOfRunName } from '../../runner/run-record.js'
import type { RunStore } from '../../runner/run-store.js'
import { findWorks } from '../task-state.js'
import type { LeftTask } from './task-follower.js'

/** A vid below the highest one can become visible so much later, in milliseconds: drush saves in short transactions. */
const LATE = 2_000

/** Finds the tasks that are being run: first those that are there, then those that come. */
export class RunningTasks {
  readonly #database: string
  readonly #stateDirectory: string
  readonly #store: () => RunStore | undefined
  readonly #now: () => number
  /** When the highest vid known was so; the first one is old enough to be trusted. undefined: all is to be read. */
  #marks: { vid: number; at: number }[] | undefined
  /** The vids that have been given already, by nid. */
  readonly #given = new Map<number, number>()

  /** @param now milliseconds, monotonic */
  constructor(
    surroundings: { database: string; stateDirectory: string; store: () => RunStore | undefined },
    now: () => number,
  ) {
    this.#database = surroundings.database
    this.#stateDirectory = surroundings.stateDirectory
    this.#store = surroundings.store
    this.#now = now
  }

  /** A new connection may lead to another state of the database: what was running meanwhile is found anew. */
  reconnected(): void {
    this.#marks = undefined
  }

  /** Those that have come since, whatever has become of them meanwhile. @throws DatabaseError */
  async find(connection: DatabaseConnection, followed: readonly number[]): Promise<ListedTask[]> {
    const nids = new Set([...(await this.#fromTable(connection)), ...this.#fromRecords()])
    for (const nid of followed) nids.delete(nid)
    if (nids.size === 0) return []
    const tasks = await readTaskList(connection, { nids: [...nids] }, nids.size)
    const found = tasks.filter(({ nid, vid, status, queued }) => {
      // Cancelled in the queue: nobody ran it.
      if (status !== TASK_STATUS.processing && status !== TASK_STATUS.queued && queued === null) return false
      return vid > (this.#given.get(nid) ?? 0)
    })
    for (const { nid, vid, status } of found) if (status !== TASK_STATUS.queued) this.#given.set(nid, vid)
    return found.reverse()
  }

  /** A task whose end was shown comes again only with another revision. */
  left({ nid, vid }: LeftTask): void {
    if (vid !== undefined) this.#given.set(nid, vid)
  }

  async #fromTable(connection: DatabaseConnection): Promise<number[]> {
    const now = this.#now()
    if (!this.#marks) {
      const reader = new QueueReader()
      await reader.poll(connection, leaderLockName(this.#database), now)
      this.#marks = [{ vid: reader.mirror.mark, at: now }]
      return this.#worked(connection, [...reader.mirror.processing.keys()])
    }
    const floor = this.#marks.findLast(({ at }) => now - at >= LATE) ?? this.#marks[0]
    const rows = await readTasksAbove(connection, floor?.vid ?? 0)
    const highest = Math.max(...rows.map(({ vid }) => vid))
    if (highest > (this.#marks.at(-1)?.vid ?? 0)) this.#marks.push({ vid: highest, at: now })
    this.#marks = this.#marks.filter((mark) => mark.at >= (floor?.at ?? 0))
    return rows.filter(({ status }) => status !== TASK_STATUS.queued).map(({ nid }) => nid)
  }

  /** Those that somebody is at work on: a stuck task has nothing more to say. */
  async #worked(connection: DatabaseConnection, nids: number[]): Promise<number[]> {
    const tasks = await readTaskList(connection, { nids }, nids.length)
    const works = await findWorks(connection, this.#stateDirectory, tasks)
    return nids.filter((nid) => (works.get(nid)?.kind ?? 'nobody') !== 'nobody')
  }

  /** Runs that are on their way: what a drush says that does not get to its task is worth reading most. */
  #fromRecords(): number[] {
    const names = this.#store()?.names() ?? []
    return names.flatMap((name) => taskOfRunName(name)?.nid ?? [])
  }
}
