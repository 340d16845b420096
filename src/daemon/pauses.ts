import type { Config } from '../config/schema.js'
import { isPhpTrue } from '../hostmaster/php-value.js'
import type { Variables } from '../hostmaster/variables.js'
import type { Conditions } from '../observe/conditions.js'
import type { Halt } from '../scheduler/plan.js'
import type { OwnPause, Pause } from './pause.js'

/** All that can pause the queue: `skynet pause`, skynet.conf, Aegir's own variable, the module. Any one of them does. */
export class Pauses {
  readonly #own: OwnPause
  readonly #settings: () => Config
  readonly #variables: () => Variables
  readonly #module: { readonly disabled: boolean }
  readonly #conditions: Conditions

  constructor(
    own: OwnPause,
    settings: () => Config,
    variables: () => Variables,
    module: { readonly disabled: boolean },
    conditions: Conditions,
  ) {
    this.#own = own
    this.#settings = settings
    this.#variables = variables
    this.#module = module
    this.#conditions = conditions
  }

  list(): Pause[] {
    const own = this.#own.read()
    const pauses: Pause[] = own ? [own] : []
    const since = this.#conditions.get('paused')?.since ?? 0
    if (this.#settings().queue.paused) pauses.push({ by: 'skynet.conf', since, reason: '[queue] paused = yes' })
    if (isPhpTrue(this.#variables().hosting_queued_paused)) {
      pauses.push({ by: 'Aegir', since, reason: 'the variable hosting_queued_paused is set' })
    }
    if (this.#module.disabled) pauses.push({ by: 'Aegir', since, reason: 'the module is disabled' })
    return pauses
  }

  halt(): Halt | undefined {
    const first = this.list()[0]
    return first && { kind: 'paused', by: first.by, since: first.since, reason: first.reason }
  }

  /** Logs the beginning or the end of the pause, once each. */
  tell(): void {
    const pauses = this.list()
    const first = pauses[0]
    if (first) this.#conditions.begin('paused', 'info', 'queue is paused', { by: first.by, reason: first.reason })
    else this.#conditions.end('paused', 'queue is resumed')
  }
}
