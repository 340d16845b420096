import { isPhpTrue } from '../hostmaster/php-value.js'
import type { Variables } from '../hostmaster/variables.js'

/**
 * Whether Aegir's administrators want Skynet to run their queue, by the variable hosting_skynet_enabled. Enabling the
 * module sets it to 1, disabling to 0, uninstalling removes it: so where it was once seen and is gone, the module was
 * disabled too. Where it never was, Skynet runs without the module.
 */
export class ModuleState {
  #database: string | undefined
  #seen = false
  #disabled = false

  get disabled(): boolean {
    return this.#disabled
  }

  /** @param database another one has its own module. */
  note(variables: Variables, database: string): void {
    if (database !== this.#database) this.#seen = false
    this.#database = database
    const value = variables.hosting_skynet_enabled
    if (value !== undefined) this.#seen = true
    this.#disabled = this.#seen && !isPhpTrue(value)
  }
}
