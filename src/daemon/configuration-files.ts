import { statSync } from 'node:fs'
import { configFingerprint } from '../config/change-detection.js'
import { loadConfig, type LoadOptions } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import type { Variables } from '../hostmaster/variables.js'
import type { ConfigurationChange, ConfigurationSource } from './configuration.js'

/** The configuration as files, environment and flags give it; a look costs three stats while nothing changes. */
export class ConfigurationFiles implements ConfigurationSource {
  readonly #options: LoadOptions & { file: string }
  #config: Config | undefined
  #fingerprint: string | undefined
  #modified = 0

  constructor(options: LoadOptions & { file: string }) {
    this.#options = options
  }

  get current(): Config {
    if (!this.#config) throw new SkynetError('CONFIG_MISSING', 'No configuration has been loaded yet.')
    return this.#config
  }

  get modified(): number {
    return this.#modified
  }

  async look({ settings, force = false }: { settings: Variables; force?: boolean }): Promise<ConfigurationChange> {
    // Taken before loading, so that what is written meanwhile is seen with the next look.
    const fingerprint = configFingerprint(this.#options.file)
    if (fingerprint === this.#fingerprint && !force) return { kind: 'unchanged' }
    this.#fingerprint = fingerprint
    const modified = modifiedSeconds(this.#options.file)
    try {
      const { config, warnings } = await loadConfig({
        ...this.#options,
        settings: {
          concurrent_tasks: settings.hosting_skynet_concurrent_tasks,
          log_level: settings.hosting_skynet_log_level,
          heartbeat_interval: settings.hosting_skynet_heartbeat_interval,
        },
      })
      this.#config = config
      this.#modified = modified
      return { kind: 'applied', config, warnings }
    } catch (error) {
      return { kind: 'bad', error: error as Error }
    }
  }
}

/** Why a file cannot be looked at is told by whoever loads it. */
function modifiedSeconds(file: string): number {
  try {
    return Math.floor(statSync(file).mtimeMs / 1000)
  } catch {
    return 0
  }
}
