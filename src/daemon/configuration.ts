import type { Config } from '../config/schema.js'
import type { Variables } from '../hostmaster/variables.js'

/** What a look at the configuration files brought. */
export type ConfigurationChange =
  | { kind: 'unchanged' }
  | { kind: 'applied'; config: Config; warnings: string[] }
  /** The last good one stays in force. */
  | { kind: 'bad'; error: Error }

/** Where the daemon's configuration comes from; the files and the environment are behind it. */
export interface ConfigurationSource {
  /** The configuration in force. @throws SkynetError while there was no good one yet */
  readonly current: Config
  /** When the file that is in force was written, in seconds since 1970; 0 when there is none. */
  readonly modified: number
  /** Looks whether the files have changed; `force` reads them whether or not they have. */
  look(options: { settings: Variables; force?: boolean }): Promise<ConfigurationChange>
}
