import { readFileSync } from 'node:fs'
import type { Config } from '../../config/schema.js'
import type { Status } from '../../daemon/status.js'
import type { DatabaseConnection } from '../../hostmaster/connection.js'
import type { Machine } from './machine.js'

export interface DoctorOptions {
  config_file?: string
  json?: boolean
  /** Folder of Supervisor's programs. */
  supervisorDir: string
  /** Folder of logrotate's configuration. */
  logrotateDir: string
}

/** What one round of checks has found out so far; a check that needs a part of it says so in its `needs`. */
export class Examination {
  readonly options: DoctorOptions
  readonly environment: NodeJS.ProcessEnv
  readonly machine: Machine
  /** Of this package. */
  readonly version: string
  /** What the daemon answers; undefined: none does. */
  daemon: Status | undefined
  #config: Config | undefined
  #connection: DatabaseConnection | undefined

  constructor(options: DoctorOptions, environment: NodeJS.ProcessEnv, version: string, machine: Machine) {
    this.options = options
    this.environment = environment
    this.version = version
    this.machine = machine
  }

  get config(): Config {
    return known(this.#config, 'configuration')
  }

  set config(config: Config) {
    this.#config = config
  }

  get connection(): DatabaseConnection {
    return known(this.#connection, 'connection')
  }

  set connection(connection: DatabaseConnection) {
    this.#connection = connection
  }

  /** What tasks run with: the environment of the daemon where we may see it, else ours. */
  get taskEnvironment(): NodeJS.ProcessEnv {
    return (this.daemon && environmentOf(this.daemon.pid)) ?? this.environment
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }
}

function known<Part>(part: Part | undefined, name: string): Part {
  if (part === undefined) throw new Error(`there is no ${name} yet`)
  return part
}

function environmentOf(pid: number): NodeJS.ProcessEnv | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
    if (entries.length === 0) return undefined
    return Object.fromEntries(
      entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
  } catch {
    return undefined
  }
}
