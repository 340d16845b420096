import { DatabaseError, type DatabaseConnection } from '../hostmaster/connection.js'
import type { LeaderLock } from '../hostmaster/leader-lock.js'
import { deleteClaim, insertClaim, readClaim } from '../hostmaster/run-queries.js'
import { readTask } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import type { PlannedTask } from '../scheduler/plan.js'
import type { RunRecord } from '../runner/run-record.js'
import { NoProcess } from '../runner/run-shell.js'
import { OwnershipLost } from '../runner/run-store.js'
import type { DaemonParts } from './daemon-parts.js'
import { endDiskFault, tellDiskFault } from './disk-fault.js'
import { eventTask } from './event-task.js'
import { LeadershipLost } from './leadership-lost.js'
import { claimValue, ownRun } from './run-claim.js'

/** Times that a claim is sent again after a deadlock or lock wait time-out, before the turn is given up. */
const CLAIM_TRIES = 5

export type Start = 'started' | 'not ours' | 'stop'

/** Starts runs for a leader, one at a time. */
export class RunStarter {
  readonly #parts: DaemonParts
  readonly #connection: DatabaseConnection
  readonly #lock: LeaderLock
  readonly #pollNow: () => void
  /** Starts that have yet to be told of: the log has them behind the ends that made room for them. */
  readonly #announcements: (() => void)[] = []

  constructor(parts: DaemonParts, connection: DatabaseConnection, lock: LeaderLock, pollNow: () => void) {
    this.#parts = parts
    this.#connection = connection
    this.#lock = lock
    this.#pollNow = pollNow
  }

  /** Tells what has been started since the last call. */
  announce(): void {
    for (const announce of this.#announcements.splice(0)) announce()
  }

  /**
   * Starts a planned task: its record, its claim, its child, in this order.
   * @returns `not ours` when it turned out not to be ours to start, `stop` when nothing else is to be started now either.
   * @throws DatabaseError, LeadershipLost
   */
  async start({ task, footprint }: PlannedTask): Promise<Start> {
    const { reader, keeper, origin, logger, conditions, outage, clock, tell } = this.#parts
    const row = reader.mirror.waiting.get(task.nid)
    if (!row) return 'not ours'
    let record
    try {
      record = keeper.plan(row, { ...footprint, locks: [...footprint.locks], webServers: [...footprint.webServers] })
      endDiskFault(conditions)
    } catch (error) {
      if (error instanceof NoProcess) {
        logger.error({ err: error, nid: row.nid }, 'no process could be made for a run')
        outage.stillOut(`no process could be made: ${error.message}`)
      } else tellDiskFault(conditions, error)
      return 'stop'
    }
    const claim = { vid: record.vid, value: claimValue(origin, record.run) }
    let claimed: boolean
    try {
      claimed = await this.#claim(claim)
    } catch (error) {
      if (error instanceof DatabaseError && error.fault.kind === 'duplicate') {
        keeper.withdraw(record)
        await this.#afterDuplicate(record)
        return 'not ours'
      }
      // Whether the claim reached the database is unknown: whoever settles the run removes it.
      keeper.giveUp(record)
      throw error
    }
    if (!claimed) {
      keeper.withdraw(record)
      return this.#afterRefusal(record.nid, record.vid)
    }
    try {
      keeper.start(record)
    } catch (error) {
      if (!(error instanceof OwnershipLost)) throw error
      throw new LeadershipLost('another daemon has taken over what we were starting')
    }
    const { nid, vid, rid, type, object, run, child } = record
    const waited = Math.max(0, clock.now() - row.changed * 1000)
    this.#announcements.push(() => {
      logger.info({ nid, vid, rid, type, object, run, pid: child?.pid }, 'task started')
      tell({ kind: 'task started', task: eventTask(record), waited })
    })
    return 'started'
  }

  async #claim(claim: { vid: number; value: string }): Promise<boolean> {
    const { lockRow } = this.#parts
    const authority = {
      leaderLock: this.#lock.name,
      leaderConnection: this.#lock.connectionId,
      lockRowValue: lockRow.value,
    }
    for (let tries = 1; ; tries += 1) {
      try {
        return await insertClaim(this.#connection, claim, authority)
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error
        // A statement that was sent again may have been carried out the first time.
        const isOurs =
          error.fault.kind === 'duplicate' && (await readClaim(this.#connection, claim.vid)) === claim.value
        if (isOurs) return true
        if (error.fault.kind !== 'again' || tries >= CLAIM_TRIES) throw error
      }
    }
  }

  /** Somebody has claimed this queueing: another daemon, or a run of ours that is long settled. */
  async #afterDuplicate({ nid, vid }: RunRecord): Promise<void> {
    const { logger, keeper, store } = this.#parts
    const value = await readClaim(this.#connection, vid)
    const run = value === undefined ? undefined : ownRun(this.#parts.origin, value)
    if (value === undefined) return
    // One that stands on disk and is not in our keeper goes on in the hands of another daemon.
    if (run !== undefined && !keeper.find((record) => record.run === run) && !store.isOpen(run)) {
      await deleteClaim(this.#connection, { vid, value })
      logger.debug({ nid, vid, run }, 'claim of a settled run removed; it came back with a restored database')
      return
    }
    if (this.#parts.claimedElsewhere.note({ nid, vid }, value)) {
      logger.warn({ nid, vid, claim: printable(value) }, 'task is claimed by another daemon; it is left to that one')
    }
  }

  /** The claim was not granted: the task is no longer queued, or we are no longer the one to start it. */
  async #afterRefusal(nid: number, vid: number): Promise<'not ours' | 'stop'> {
    const { reader, lockRow } = this.#parts
    const current = await readTask(this.#connection, nid)
    const known = reader.mirror.waiting.get(nid)
    if (current?.vid === vid && current.status === 0) {
      lockRow.doubt()
      this.#pollNow()
      return 'stop'
    }
    if (current) reader.mirror.put({ ...current, arguments: known?.arguments ?? {} })
    else reader.mirror.remove(nid)
    return 'not ours'
  }
}
