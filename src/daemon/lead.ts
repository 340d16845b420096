import type { DatabaseConnection } from '../hostmaster/connection.js'
import type { LeaderLock } from '../hostmaster/leader-lock.js'
import type { AppliedConfiguration } from './applied-configuration.js'
import { ConfigurationChanged } from './configuration-changed.js'
import type { DaemonParts } from './daemon-parts.js'
import type { Heartbeat, HeartbeatState, HeartbeatView } from './heartbeat.js'
import { LeadershipLost } from './leadership-lost.js'
import { LongPoll } from './long-poll.js'
import type { Observation } from './observation.js'
import { QueueLeader } from './queue-leader.js'
import { leaderState } from './snapshot.js'
import { WakeSocket } from './wake-socket.js'
import type { Waker } from './waker.js'

/** How long nothing must have woken the loop before it has the server look for it, in milliseconds. */
const QUIET = 5_000

/** For how long it does so at most, in milliseconds; then the loop has a turn. */
const LONGEST_REST = 5_000

/** What all looks of a rest may take together, in milliseconds, so that it ends by itself. */
const LOOKS_TAKE = 200

export interface LeadSurroundings {
  parts: DaemonParts
  waker: Waker
  configuration: AppliedConfiguration
  heartbeat: Heartbeat
  observation: Observation
  /** What is done now and then beside the queue. */
  chores: () => void
  /** The queue has been taken over. */
  ready: () => void
  view: (state: HeartbeatState) => HeartbeatView
  /** Whether the daemon is to leave: `at once`, its children go on; `drained`, there is nothing left to wait for. */
  leaving: () => 'no' | 'drained' | 'at once'
}

/**
 * One lead, from its winning to its loss or to the daemon's leaving: turn after turn of the queue, and between two turns
 * what a leader does beside it.
 */
export class Lead {
  readonly #connection: DatabaseConnection
  readonly #surroundings: LeadSurroundings
  readonly #leader: QueueLeader
  readonly #longPoll: LongPoll
  #wake: WakeSocket | undefined
  /** When the loop was last woken, by the clock that does not jump. */
  #wokenAt: number

  constructor(connection: DatabaseConnection, lock: LeaderLock, surroundings: LeadSurroundings) {
    this.#connection = connection
    this.#surroundings = surroundings
    const { parts, waker } = surroundings
    this.#leader = new QueueLeader(parts, connection, lock)
    this.#longPoll = new LongPoll(connection, lock, { ...parts, returned: () => waker.wake() })
    this.#wokenAt = parts.clock.monotonic()
  }

  /** Makes the next turn poll, whatever the interval. */
  pollNow(): void {
    this.#leader.pollNow()
  }

  /** A run is about to end, and another task to start in its place. */
  expectEnd(): void {
    this.#longPoll.release()
    this.#leader.expectEnd()
  }

  /** Closes the wake socket. Idempotent. */
  stop(): void {
    this.#wake?.stop()
    this.#wake = undefined
  }

  /** Resolves when the daemon is to leave. @throws DatabaseError, LeadershipLost, ConfigurationChanged */
  async run(): Promise<void> {
    const { parts, observation, heartbeat, ready, view, leaving } = this.#surroundings
    await this.#leader.takeOver()
    ready()
    await this.#startWakeSocket()
    try {
      while (leaving() !== 'at once') {
        const wait = await this.#leader.turn()
        parts.conditions.end('fault', 'the fault has gone')
        if (leaving() !== 'no') break
        await this.#betweenTurns(wait)
      }
      await this.#leader.leave()
      // Who leaves its runs behind comes back, as a rule: then cron is to keep away from the queue for a while.
      await heartbeat.farewell(this.#connection, view(leaving() === 'at once' ? 'stopping' : 'stopped'))
    } catch (error) {
      if (error instanceof LeadershipLost) {
        const reason = error.message
        parts.conditions.begin('leadership', 'warn', 'leadership lost; contending again', { reason })
        observation.leads(false, reason)
      }
      throw error
    } finally {
      parts.keeper.settling = false
      this.stop()
    }
  }

  async #betweenTurns(wait: number): Promise<void> {
    const { parts, observation, chores, waker } = this.#surroundings
    await this.#tellDrupal()
    await this.#readHistory()
    parts.drushWatch.probeWhenDue()
    chores()
    observation.look()
    observation.keep()
    // Before the wait: whoever ends it, by the end of a run as a rule, is not to wait for that.
    await this.#lookAtConfiguration()
    const isRested = await this.#rest()
    if (isRested) await this.#lookAtConfiguration()
    else {
      const most = Math.min(parts.settings().queue.poll_interval, parts.pauses.untilNextEnd())
      if (await waker.wait(Math.min(wait, most))) this.#wokenAt = parts.clock.monotonic()
    }
  }

  /**
   * While there is nothing to do, the server looks for us, which costs it little more than our polls do, and us next to
   * nothing. Whatever would end our own wait ends this one.
   * @returns false: that cannot be now, and nothing was waited for.
   */
  async #rest(): Promise<boolean> {
    const { parts, waker, heartbeat } = this.#surroundings
    const { clock, pauses, settings } = parts
    const { long_poll, poll_interval } = settings().queue
    if (!long_poll || clock.monotonic() - this.#wokenAt < QUIET || !this.#leader.isAtRest) return false
    const most = Math.min(LONGEST_REST, this.#leader.untilDue(), pauses.untilNextEnd(), heartbeat.untilDue())
    const looks = Math.floor((most - LOOKS_TAKE) / poll_interval) + 1
    if (!(await this.#longPoll.begin(this.#leader.watched(), poll_interval, looks))) return false
    const isWoken = await waker.wait(most)
    if (isWoken && this.#longPoll.isUnderWay) this.#wokenAt = clock.monotonic()
    await this.#longPoll.end()
    return true
  }

  async #lookAtConfiguration(): Promise<void> {
    if ((await this.#surroundings.configuration.look()) === 'reconnect') throw new ConfigurationChanged()
  }

  async #tellDrupal(): Promise<void> {
    const { parts, heartbeat, view } = this.#surroundings
    const state = leaderState(parts)
    await heartbeat.beat(this.#connection, view(state))
    if (state === 'leader') await heartbeat.noteRun(this.#connection)
  }

  /** A little of it at a time: nobody waits for what the past says. */
  async #readHistory(): Promise<void> {
    const { durations, failures, reader, clock } = this.#surroundings.parts
    await durations.step(this.#connection, reader.mirror.mark, clock.monotonic())
    await failures.step(this.#connection)
  }

  async #startWakeSocket(): Promise<void> {
    const { parts, waker } = this.#surroundings
    const { settings, logger, clock } = parts
    this.#wake = new WakeSocket(settings().wake.socket, clock, () => {
      this.pollNow()
      waker.wake()
    })
    try {
      await this.#wake.start()
    } catch (error) {
      this.#wake = undefined
      logger.warn({ err: error }, 'wake socket cannot be made; new tasks are found by polling alone')
    }
  }
}
