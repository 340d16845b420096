import type { Task } from '../hostmaster/task.js'
import type { Footprints } from './footprints.js'
import type { Footprint } from './locks.js'
import type { Halt, PauseOfTasks } from './reason.js'
import type { ExtraTypes } from './task-types.js'
import type { Topology } from './topology.js'

/** A queued task: `hosting_task.vid = node.vid` and status 0. */
export interface WaitingTask extends Pick<Task, 'nid' | 'vid' | 'type' | 'rid' | 'changed'> {
  readonly object?: string
  readonly arguments: Readonly<Record<string, string>>
  /** Milliseconds since 1970: not to be tried before, because drush refused this task. */
  readonly parkedUntil?: number
  /** Set where it is parked because another Skynet has claimed it. */
  readonly claimed?: boolean
  /** An operator has paused tasks of its type, or of its object. */
  readonly paused?: PauseOfTasks
  /** Set once a plan has called it bulk: the last tasks of a batch stay bulk when the others are done. */
  readonly bulk?: boolean
}

/**
 * A task that somebody works on, by what its process is:
 *
 * - own: a run of ours. Takes a slot, holds its locks.
 * - orphaned: a run of ours whose main process is gone while others of its session live. As own.
 * - ended: a run of ours that is over but for its settling. Holds its locks, takes no slot.
 * - foreign: alive, not started by us. Holds its locks, takes no slot.
 * - nested: started by one of our runs inside itself. Its locks belong to that run; takes no slot.
 * - stuck: without any process. Holds nothing.
 */
export type RunKind = 'own' | 'orphaned' | 'ended' | 'foreign' | 'nested' | 'stuck'

export interface RunningTask {
  readonly nid: number
  readonly type: string
  readonly rid: number
  readonly object?: string
  readonly arguments: Readonly<Record<string, string>>
  readonly kind: RunKind
  /** nid of the run that a nested one is part of. */
  readonly partOf?: number
  /** Milliseconds since 1970. */
  readonly startedAt?: number
  /**
   * What it took at its start. To be given for own runs: a migrate changes the very relations that its locks were
   * computed from. Computed from the topology where absent.
   */
  readonly footprint?: Footprint
}

export interface Limits {
  /** Slots: runs of ours at a time. 0 starts nothing. */
  readonly concurrentTasks: number
  /** Runs at a time on one web server: its restarts and package synchronisation are not concurrency-proof. Default 3. */
  readonly runsPerWebServer?: number
  /** Verifies of sites at a time on one platform. Default 2. */
  readonly siteVerifiesPerPlatform?: number
  /** How old in milliseconds a queued task must be. Default 0. */
  readonly settle?: number
  /** Whether interactive tasks go before bulk. Default true. */
  readonly priorities?: boolean
  /**
   * Whether a verify of a server goes before those of its platforms, and these before tasks of their sites, and
   * deletions the other way round, although queued later. Default: with more than one slot; one slot keeps the
   * queue's own order.
   */
  readonly parentsFirst?: boolean
}

export interface PlanInput {
  readonly waiting: readonly WaitingTask[]
  readonly running: readonly RunningTask[]
  readonly topology: Topology
  readonly limits: Limits
  /** Milliseconds since 1970. */
  readonly now: number
  /** Why nothing at all may start. */
  readonly halted?: Halt
  /** From `[locks]` in skynet.conf. */
  readonly extraTypes?: ExtraTypes
  /** Kept from plan to plan this saves most of the work; of the same topology and extraTypes. */
  readonly footprints?: Footprints
  /**
   * How many urgent tasks (`PlannedTask.urgent`) were started one after the other up to now; any other start sets it
   * to 0. After ten in a row the line decides once, so that bulk work always ends.
   */
  readonly urgentInARow?: number
}
