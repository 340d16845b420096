import type { Config } from '../config/schema.js'
import type { Variables } from '../hostmaster/variables.js'
import type { Conditions } from '../observe/conditions.js'
import { notch } from '../observe/log-levels.js'
import type { Logger } from '../observe/logger.js'
import { systemClock, type Clock } from './clock.js'
import type { ConfigurationSource } from './configuration.js'

/** Keys that take effect with the next start of the daemon only. */
const NEEDS_RESTART = /^(state\.dir|log\.(format|file)|wake\.)/

/** How often the files are looked at, in milliseconds: a turn for each task that ends may come more often. */
const LOOK_INTERVAL = 100

/** The configuration in force while the daemon runs: looks for changes, says what they were, keeps the last good one. */
export class AppliedConfiguration {
  readonly #source: ConfigurationSource
  readonly #conditions: Conditions
  readonly #logger: Logger
  #variables: Variables = {}
  #mustReread = false
  #lookedAt = Number.NEGATIVE_INFINITY
  #setLevel: string | undefined
  /** When the set level is given up, by the clock that never jumps. */
  #setUntil = Number.POSITIVE_INFINITY
  readonly #clock: Pick<Clock, 'monotonic'>

  constructor(
    source: ConfigurationSource,
    conditions: Conditions,
    logger: Logger,
    clock: Pick<Clock, 'monotonic'> = systemClock,
  ) {
    this.#source = source
    this.#conditions = conditions
    this.#logger = logger
    this.#clock = clock
  }

  get current(): Config {
    return this.#source.current
  }

  /** Drupal's variables as last read. */
  get variables(): Variables {
    return this.#variables
  }

  set variables(variables: Variables) {
    if (variables === this.#variables) return
    if (JSON.stringify(variables) !== JSON.stringify(this.#variables)) this.#mustReread = true
    this.#variables = variables
  }

  /** Makes the next look read the files, changed or not. */
  reread(): void {
    this.#mustReread = true
  }

  /** Looks for changes. @returns `reconnect` when another database, or another way to it, is to be used. */
  async look(): Promise<'reconnect' | 'go on'> {
    this.#endLogLevel()
    const now = this.#clock.monotonic()
    if (!this.#mustReread && now - this.#lookedAt < LOOK_INTERVAL) return 'go on'
    this.#lookedAt = now
    const before = this.current
    const change = await this.#source.look({ settings: this.#variables, force: this.#mustReread })
    this.#mustReread = false
    switch (change.kind) {
      case 'unchanged':
        return 'go on'
      case 'bad': {
        const message = 'configuration is bad; the last good one stays in force'
        this.#conditions.begin('configuration', 'error', message, { err: change.error })
        return 'go on'
      }
      case 'applied': {
        this.#conditions.end('configuration', 'configuration is good again')
        for (const warning of change.warnings) this.#logger.warn({ reason: warning }, 'a setting is ignored')
        return this.#apply(before, change.config)
      }
    }
  }

  /** Makes the log one notch more (-1) or less (+1) talkative, until the configuration says another level. */
  changeLogLevel(by: -1 | 1): void {
    this.setLogLevel(notch(this.#logger.level, by), null)
  }

  /** Sets the level of the log for so many milliseconds, or until the configuration says another one. */
  setLogLevel(level: string, forMs: number | null): void {
    this.#setLevel = level
    this.#setUntil = forMs === null ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + forMs
    this.#logger.level = level
    this.#logger.info({ log_level: level, ...(forMs === null ? {} : { for_ms: forMs }) }, 'log level changed')
  }

  #endLogLevel(): void {
    if (this.#setLevel === undefined || this.#clock.monotonic() < this.#setUntil) return
    const { level } = this.current.log
    this.#setLevel = undefined
    this.#logger.info({ log_level: level }, 'log level is that of the configuration again')
    this.#logger.level = level
  }

  #apply(before: Config, config: Config): 'reconnect' | 'go on' {
    if (before.log.level !== config.log.level) this.#setLevel = undefined
    this.#logger.level = this.#setLevel ?? config.log.level
    const keys = changedKeys(before, config)
    if (keys.length > 0) this.#logger.info({ keys }, 'configuration changed')
    if (keys.some((key) => NEEDS_RESTART.test(key))) {
      this.#logger.warn({ keys }, 'a changed key needs a restart of the daemon')
    }
    return keys.some((key) => key.startsWith('database.')) ? 'reconnect' : 'go on'
  }
}

/** Names alone: a value may be the password. */
function changedKeys(before: object, after: object): string[] {
  const flat = (config: object) =>
    new Map(
      Object.entries(config).flatMap(([section, keys]) =>
        Object.entries(keys as object).map(([key, value]) => [`${section}.${key}`, JSON.stringify(value)] as const),
      ),
    )
  const [old, now] = [flat(before), flat(after)]
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => old.get(key) !== now.get(key))
}
