import { adversarialRows } from './adversarial-rows.js'
import { clockJumps } from './clock-jumps.js'
import { configurationAbused } from './configuration-abused.js'
import { connectionStalled } from './connection-stalled.js'
import { daemonKilled } from './daemon-killed.js'
import { databaseErrors } from './database-errors.js'
import { databaseRestarted } from './database-restarted.js'
import { diskFull, diskReadOnly } from './disk-full.js'
import { drushKilled } from './drush-killed.js'
import { galeraParted } from './galera-parted.js'
import { leaderConnectionDies } from './leader-connection-dies.js'
import { lockRow } from './lock-row.js'
import { nastyTasks } from './nasty-tasks.js'
import { readersFuzzed } from './readers-fuzzed.js'
import { recordsDamaged } from './records-damaged.js'
import { severalDaemons } from './several-daemons.js'
import { signalStorm } from './signal-storm.js'
import { soak } from './soak.js'
import type { Scenario } from './scenario.js'

/** The table of faults, in its order. */
export const SCENARIOS: readonly Scenario[] = [
  daemonKilled,
  drushKilled,
  databaseRestarted,
  connectionStalled,
  leaderConnectionDies,
  severalDaemons,
  lockRow,
  databaseErrors,
  galeraParted,
  diskReadOnly,
  diskFull,
  configurationAbused,
  recordsDamaged,
  clockJumps,
  nastyTasks,
  signalStorm,
  adversarialRows,
  soak,
  readersFuzzed,
]
