import { readPhpScalar, type PhpScalar } from './php-value.js'

/** The Drupal variables that the daemon reads with every poll. */
export const VARIABLES = [
  /** Pause of Aegir's own PHP daemon; operators and scripts know it. */
  'hosting_queued_paused',
  /** The settings page of Skynet's module. */
  'hosting_skynet_concurrent_tasks',
  'hosting_skynet_log_level',
  'hosting_skynet_heartbeat_interval',
  /** nid of Aegir's own site; may be absent. */
  'aegir_hostmaster_site_nid',
  /** 1 while Skynet's module is enabled, 0 once it was disabled, absent where it never was. */
  'hosting_skynet_enabled',
] as const

export type VariableName = (typeof VARIABLES)[number]

export type Variables = Partial<Record<VariableName, PhpScalar>>

export function readVariables(rows: { name: string; value: string }[]): Variables {
  const variables: Variables = {}
  for (const row of rows) {
    const name = VARIABLES.find((known) => known === row.name)
    const value = readPhpScalar(row.value)
    if (name !== undefined && value !== undefined) variables[name] = value
  }
  return variables
}
