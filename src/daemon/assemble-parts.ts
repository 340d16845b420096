import { hostname } from 'node:os'
import type { Config } from '../config/schema.js'
import type { Conditions } from '../observe/conditions.js'
import type { Tell } from '../observe/event.js'
import { probeDrush } from '../runner/drush-probe.js'
import type { ProcessIdentity } from '../runner/process-table.js'
import type { RunRecord } from '../runner/run-record.js'
import type { RunStore } from '../runner/run-store.js'
import type { ExtraTypes } from '../scheduler/task-types.js'
import { Admission } from './admission.js'
import type { AppliedConfiguration } from './applied-configuration.js'
import { Attempts } from './attempts.js'
import { BulkMarks } from './bulk-marks.js'
import { ClaimedElsewhere } from './claimed-elsewhere.js'
import type { DaemonOptions } from './daemon-options.js'
import type { DaemonParts } from './daemon-parts.js'
import { DrushOutage } from './drush-outage.js'
import { DrushWatch } from './drush-watch.js'
import { KnownHostmasters } from './first-start.js'
import { ForeignRuns } from './foreign-runs.js'
import { LastFailures } from './last-failures.js'
import { LockRowKeeper } from './lock-row-keeper.js'
import { ModuleState } from './module-state.js'
import { OwnPauses } from './pause.js'
import { Pauses } from './pauses.js'
import type { QueueMirror } from './queue-mirror.js'
import { QueueReader } from './queue-reader.js'
import { claimOrigin } from './run-claim.js'
import { RunKeeper } from './run-keeper.js'
import { assembleSchedule } from './schedule/assemble-schedule.js'
import { Settler, type SettledFacts } from './settler.js'
import { TopologyReader } from './topology-reader.js'
import { UsualDurations } from './usual-durations.js'

/** What the parts tell the daemon, and ask it. */
export interface DaemonHooks {
  /** Something happened: the loop has to look. */
  changed: () => void
  /** A run is about to end. */
  ending: () => void
  draining: () => boolean
  /** A poll has been completed. */
  polled: () => void
  tell: Tell
}

/** Joins the rooms: every part gets what it needs here, and nothing else. */
export function assembleParts(
  options: DaemonOptions,
  self: ProcessIdentity,
  store: RunStore,
  configuration: AppliedConfiguration,
  conditions: Conditions,
  { changed, ending, draining, polled, tell }: DaemonHooks,
): DaemonParts {
  const { clock, processes, surroundings, log } = options
  const { logger } = log
  const settings = () => configuration.current
  const { dir } = settings().state
  const scale: DaemonParts['scale'] = { slots: undefined }
  const reader = new QueueReader()
  const attempts = new Attempts()
  const bulkMarks = new BulkMarks()
  const failures = new LastFailures(store)
  const topology = new TopologyReader()
  const outage = new DrushOutage(clock)
  const ownPauses = new OwnPauses(dir, () => clock.monotonic())
  const module = new ModuleState()
  const variables = () => configuration.variables
  const pauses = new Pauses({ own: ownPauses, settings, variables, module, clock, conditions, logger })
  const origin = claimOrigin(processes, dir)
  const probe = () => probeDrush(settings().drush, surroundings)
  const drushWatch = new DrushWatch({ outage, clock, logger, probe, changed })
  const admission = new Admission({ settings, store, conditions, clock })
  const keeper = new RunKeeper({
    store,
    processes,
    clock,
    logger,
    surroundings,
    self,
    settings: () => {
      const { drush, state, timeouts } = settings()
      const timeout = (type: string) => (Object.hasOwn(timeouts, type) ? (timeouts[type] ?? null) : drush.timeout)
      return { drush, timeout, outputLimit: state.output_limit }
    },
    ending,
    changed,
  })
  const settled = (record: RunRecord, facts: SettledFacts) => {
    forgetSettled(reader.mirror, record, facts)
    bulkMarks.runEnded(record)
    failures.note(record, facts.givenUp ?? false)
    topology.drushEnded(record.started_at === null ? null : Math.abs(clock.now() - record.started_at))
  }
  return {
    clock,
    logger,
    conditions,
    settings,
    reader,
    topology,
    durations: new UsualDurations(logger),
    failures,
    store,
    keeper,
    settler: new Settler({
      keeper,
      store,
      processes,
      attempts,
      outage,
      origin,
      clock,
      logger,
      conditions,
      probe,
      tell,
      settled,
    }),
    attempts,
    bulkMarks,
    claimedElsewhere: new ClaimedElsewhere(clock),
    outage,
    drushWatch,
    ...assembleSchedule({ settings, processes, clock, logger, conditions, surroundings, self, outage, changed }),
    foreign: new ForeignRuns(processes),
    lockRow: new LockRowKeeper({ host: hostname(), pid: process.pid, clock, processes }),
    ownPauses,
    pauses,
    module,
    known: new KnownHostmasters(dir),
    origin,
    scale,
    slots: () => scale.slots ?? settings().queue.concurrent_tasks,
    extraTypes: extraTypesOf(settings),
    draining,
    tell,
    halt: () => pauses.halt() ?? admission.halt() ?? drushWatch.halt(),
    polled: ({ variables }) => {
      configuration.variables = variables
      module.note(variables, settings().database.db)
      polled()
    },
  }
}

/** `[locks]` as the scheduler takes it, made anew only when the configuration is. */
function extraTypesOf(settings: () => Config): () => ExtraTypes {
  let of: Config['locks'] | undefined
  let types: ExtraTypes = new Map()
  return () => {
    const { locks } = settings()
    if (locks !== of) types = new Map(Object.entries(locks))
    of = locks
    return types
  }
}

/** The mirror learns of a run's end from here: the next poll would not see it, because the vid does not change. */
function forgetSettled(mirror: QueueMirror, record: RunRecord, { givenUp = false, vid: ran }: SettledFacts): void {
  const { nid, vid, outcome } = record
  // Whoever else has taken the task, or forced it meanwhile, may still be at work on its object; the look at foreign
  // runs tells when that is over.
  if ((mirror.processing.get(nid)?.vid ?? Infinity) <= (ran ?? vid)) mirror.processing.delete(nid)
  const isStillOpen = !givenUp && (outcome === 'not started' || outcome === 'outage' || outcome === 'withdrawn')
  if (!isStillOpen && mirror.waiting.get(nid)?.vid === vid) mirror.waiting.delete(nid)
}
