import type { Random } from './random.js'
import type { World, WorldOptions } from './world.js'

/** What a scenario saw; the witness is drush's journal with the database, never Skynet's log. */
export interface Finding {
  /** What was done, for the table. */
  did: string
  /** How often the fault was made to happen. */
  times: number
  /** Tasks that were queued. */
  tasks: number
  /** Tasks that never ran, or whose row does not say how they ended. */
  lost: number
  /** Tasks that two drushes were started for. */
  doubled: number
}

export interface ScenarioOptions {
  /** How often the fault is to happen. */
  times: number
  random: Random
}

/** One row of the table of faults. */
export interface Scenario {
  name: string
  fault: string
  /** Repetitions within `npm test`, and in the long run. */
  times: { short: number; long: number }
  /** What its world needs beyond the common; it gets one of its own then. */
  world?: WorldOptions
  /** The test file that is its short form, where that is none of the others' kind. */
  shortForm?: string
  run: (world: World, options: ScenarioOptions) => Promise<Finding>
}
