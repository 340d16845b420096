import type { DatabaseConnection } from '../hostmaster/connection.js'
import { readClaims } from '../hostmaster/run-queries.js'
import { readTask, type TaskRow } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import type { DaemonParts } from './daemon-parts.js'
import { ownRun, parseClaim } from './run-claim.js'

/** A foreign process is looked for this often, in milliseconds. */
const INTERVAL = 1_000

/** Stuck rows are read anew this often, in milliseconds. */
const REFRESH = 30_000

/** The leader's look at the tasks that are being processed without it: rare, so each of them may cost a statement. */
export class ForeignLook {
  readonly #parts: DaemonParts
  readonly #connection: DatabaseConnection
  #lookedAt = Number.NEGATIVE_INFINITY
  #refreshedAt = 0

  constructor(parts: DaemonParts, connection: DatabaseConnection) {
    this.#parts = parts
    this.#connection = connection
  }

  /** Looks when it is time to, and whenever there is a new one. @throws DatabaseError */
  async look(): Promise<void> {
    const { clock, reader, foreign, keeper, logger, origin, topology } = this.#parts
    const { mirror } = reader
    const now = clock.monotonic()
    const strangers = [...mirror.processing.values()].filter(
      (task) => !keeper.find((record) => record.nid === task.nid),
    )
    // One that is new holds its locks from this very turn on.
    const isNew = strangers.some(({ vid }) => !foreign.all.some(({ task }) => task.vid === vid))
    if (now - this.#lookedAt < INTERVAL && !isNew) return
    const full = now - this.#refreshedAt > REFRESH
    if (strangers.length === 0 && foreign.all.length === 0) return
    this.#lookedAt = now
    if (full) this.#refreshedAt = now
    const settledStuck = new Set(foreign.all.filter(({ is }) => is.kind === 'stuck').map(({ task }) => task.vid))
    const processing: TaskRow[] = []
    for (const task of strangers) {
      // A stuck row changes only when a person mends it; the others end any moment, under the same vid.
      if (settledStuck.has(task.vid) && !full) {
        processing.push(task)
        continue
      }
      const current = await readTask(this.#connection, task.nid)
      if (current?.vid === task.vid && current.status === -1) processing.push(task)
      else if (current) mirror.put({ ...current, arguments: task.arguments })
      else mirror.remove(task.nid)
    }
    const isUndecided = processing.some((task) => !settledStuck.has(task.vid))
    const elsewhere = isUndecided ? await readClaims(this.#connection) : []
    const before = new Map(foreign.all.map(({ task, is }) => [task.vid, is.kind]))
    const isOver = foreign.all.some(({ task: { vid } }) => !processing.some((task) => task.vid === vid))
    if (isOver) topology.drushEnded(null)
    foreign.look(processing, keeper.sessions(), (task) => {
      // A claim names the vid that was queued: the revision before the one that is processed now.
      const claim = elsewhere.find(({ value }) => Number(parseClaim(value)?.run.split('-')[1]) === task.nid)
      return claim && ownRun(origin, claim.value) === undefined ? claim.value : undefined
    })
    for (const { task, is } of foreign.all) {
      if (before.get(task.vid) === is.kind || (is.kind === 'foreign' && is.pid === 0)) continue
      const fields = { nid: task.nid, vid: task.vid, rid: task.rid, type: printable(task.type) }
      if (is.kind === 'foreign')
        logger.info({ ...fields, pid: is.pid }, 'task is run by somebody else; its object is taken')
      else if (is.kind === 'stuck')
        logger.warn(fields, 'task is stuck: processing, but without any process; it holds nothing')
    }
  }
}
