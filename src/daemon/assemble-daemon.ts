import { SkynetError } from '../config/skynet-error.js'
import { Conditions } from '../observe/conditions.js'
import { RunStore } from '../runner/run-store.js'
import { AppliedConfiguration } from './applied-configuration.js'
import { assembleParts, type DaemonHooks } from './assemble-parts.js'
import type { DaemonOptions } from './daemon-options.js'
import type { DaemonParts } from './daemon-parts.js'
import { databaseAnswers } from './database-answers.js'
import { Heartbeat } from './heartbeat.js'
import { Observation } from './observation.js'
import { RestCollection } from './rest-collection.js'
import { RunPruner } from './run-pruner.js'
import { SelfCheck } from './self-check.js'
import { Standbys } from './standbys.js'
import type { Role } from './status.js'
import { Waker } from './waker.js'

/** What the daemon itself knows, and is told. */
export interface DaemonState extends Pick<DaemonHooks, 'ending' | 'draining' | 'polled'> {
  role: () => Role
  isConnected: () => boolean
}

/** What a daemon has for as long as it lives, whatever its role is. */
export interface DaemonServices {
  parts: DaemonParts
  waker: Waker
  configuration: AppliedConfiguration
  standbys: Standbys
  pruner: RunPruner
  restCollection: RestCollection
  heartbeat: Heartbeat
  selfCheck: SelfCheck
  observation: Observation
  /** Milliseconds since 1970. */
  startedAt: number
}

/** @throws SkynetError where the state directory, or /proc, is not as it must be */
export function assembleDaemon(options: DaemonOptions, state: DaemonState): DaemonServices {
  const { clock, processes, log, version } = options
  const { logger } = log
  const { dir } = options.configuration.current.state
  const self = processes.identify(process.pid)
  if (!self) throw new SkynetError('FAILED', 'Skynet needs /proc to know its children.', { remedy: 'Mount /proc.' })
  const startedAt = clock.now()
  const store = new RunStore(dir)
  const waker = new Waker(clock)
  const conditions = new Conditions(logger, () => clock.now())
  const configuration = new AppliedConfiguration(options.configuration, conditions, logger, clock)
  const { ending, draining, polled } = state
  const parts = assembleParts(options, self, store, configuration, conditions, {
    changed: () => waker.wake(),
    ending,
    draining,
    polled,
    tell: (event) => observation.tell(event),
  })
  const { settings } = parts
  const selfCheck = new SelfCheck({
    limits: options.limits.liveness,
    interval: () => settings().queue.poll_interval,
    answers: () => databaseAnswers(options.resolveAddress, options.limits.database),
  })
  const observation = new Observation({
    version,
    clock,
    logger,
    conditions,
    settings,
    surroundings: options.surroundings,
    parts: () => parts,
    daemon: () => ({
      role: state.role(),
      isConnected: state.isConnected() && conditions.get('database') === undefined,
      polledInTime: selfCheck.isFresh,
      mayHang: selfCheck.suspectsUs,
    }),
  })
  return {
    parts,
    waker,
    configuration,
    standbys: new Standbys(dir, processes),
    pruner: new RunPruner({ store, clock, logger, limits: () => settings().state }),
    restCollection: new RestCollection(clock),
    heartbeat: new Heartbeat({
      clock,
      conditions,
      version,
      startedAt,
      stateDirectory: dir,
      interval: () => settings().queue.heartbeat_interval,
    }),
    selfCheck,
    observation,
    startedAt,
  }
}
