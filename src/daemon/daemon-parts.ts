import type { Config } from '../config/schema.js'
import type { QueuePoll } from '../hostmaster/queue-poll.js'
import type { Conditions } from '../observe/conditions.js'
import type { Tell } from '../observe/event.js'
import type { Logger } from '../observe/logger.js'
import type { Halt } from '../scheduler/plan.js'
import type { RunStore } from '../runner/run-store.js'
import type { ExtraTypes } from '../scheduler/task-types.js'
import type { Attempts } from './attempts.js'
import type { BulkMarks } from './bulk-marks.js'
import type { ClaimedElsewhere } from './claimed-elsewhere.js'
import type { Clock } from './clock.js'
import type { DrushOutage } from './drush-outage.js'
import type { KnownHostmasters } from './first-start.js'
import type { ForeignRuns } from './foreign-runs.js'
import type { LastFailures } from './last-failures.js'
import type { LockRowKeeper } from './lock-row-keeper.js'
import type { DrushWatch } from './drush-watch.js'
import type { ModuleState } from './module-state.js'
import type { OwnPauses } from './pause.js'
import type { Pauses } from './pauses.js'
import type { QueueReader } from './queue-reader.js'
import type { ClaimOrigin } from './run-claim.js'
import type { RunKeeper } from './run-keeper.js'
import type { Schedule } from './schedule/schedule.js'
import type { ScheduledRuns } from './schedule/scheduled-runs.js'
import type { Settler } from './settler.js'
import type { TopologyReader } from './topology-reader.js'
import type { UsualDurations } from './usual-durations.js'

/** What the daemon is made of: it outlives a connection, and is shared by the loop, the leader and the status. */
export interface DaemonParts {
  clock: Clock
  logger: Logger
  conditions: Conditions
  settings: () => Config
  reader: QueueReader
  topology: TopologyReader
  durations: UsualDurations
  failures: LastFailures
  store: RunStore
  keeper: RunKeeper
  settler: Settler
  attempts: Attempts
  bulkMarks: BulkMarks
  claimedElsewhere: ClaimedElsewhere
  outage: DrushOutage
  foreign: ForeignRuns
  lockRow: LockRowKeeper
  ownPauses: OwnPauses
  pauses: Pauses
  module: ModuleState
  drushWatch: DrushWatch
  schedule: Schedule
  scheduledRuns: ScheduledRuns
  known: KnownHostmasters
  origin: ClaimOrigin
  /** `skynet scale`: outranks `[queue] concurrent_tasks` until the daemon is restarted. */
  scale: { slots: number | undefined }
  slots: () => number
  /** `[locks]` of skynet.conf; the same object while it is unchanged. */
  extraTypes: () => ExtraTypes
  /** Whether no new task is to be started, because the daemon is on its way out. */
  draining: () => boolean
  /** Why nothing at all may start now. */
  halt: () => Halt | undefined
  /** Tells metrics and notifications of an event. */
  tell: Tell
  /** A poll has been completed. */
  polled: (poll: QueuePoll) => void
}
