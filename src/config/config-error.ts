import { SkynetError } from './skynet-error.js'

/** One thing that is wrong with the configuration, and where. */
export interface Fault {
  /** `FILE:LINE`, `FILE`, a variable of the environment, … */
  at: string
  message: string
}

/** More of them at once help nobody, and a message goes into one line of the log. */
const MOST_SHOWN = 30

/** All that is wrong with the configuration, one fault a line. Holds no value of `[database]`. */
export class ConfigError extends SkynetError {
  readonly faults: readonly Fault[]

  constructor(
    code: 'CONFIG_MISSING' | 'CONFIG_INVALID' | 'CONFIG_UNSAFE',
    faults: readonly Fault[],
    options: { remedy?: string } = {},
  ) {
    const lines = faults.slice(0, MOST_SHOWN).map(({ at, message }) => `${at}: ${message}`)
    if (faults.length > MOST_SHOWN) lines.push(`… and ${faults.length - MOST_SHOWN} more`)
    super(code, lines.join('\n'), options)
    this.name = 'ConfigError'
    this.faults = faults
  }
}
