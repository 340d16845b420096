import { createHash } from 'node:crypto'
import type { ProcessTable } from '../runner/process-table.js'

/**
 * What stands in the value of a claim: enough to find the run again when its record is lost, and to know a claim of
 * another machine or of another Skynet on this one. `skynet:<machine>:<boot>:<state directory>:<run>`; the first three
 * are short digests, because the column takes 255 characters.
 */
export interface ClaimOrigin {
  machine: string
  boot: string
  stateDirectory: string
}

export function claimOrigin(processes: ProcessTable, stateDirectory: string): ClaimOrigin {
  return { machine: digest(processes.machine), boot: digest(processes.boot), stateDirectory: digest(stateDirectory) }
}

export function claimValue(origin: ClaimOrigin, run: string): string {
  return `skynet:${origin.machine}:${origin.boot}:${origin.stateDirectory}:${run}`
}

export function parseClaim(value: string): (ClaimOrigin & { run: string }) | undefined {
  const [prefix, machine, boot, stateDirectory, run] = value.split(':')
  if (prefix !== 'skynet' || !machine || !boot || !stateDirectory || !run) return undefined
  return { machine, boot, stateDirectory, run }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** The run that a claim names, when it is one of this machine and state directory. */
export function ownRun(origin: ClaimOrigin, claim: string): string | undefined {
  const from = parseClaim(claim)
  return from?.machine === origin.machine && from.stateDirectory === origin.stateDirectory ? from.run : undefined
}
