import { Footprints } from './footprints.js'
import type { ExtraTypes } from './task-types.js'
import type { ObjectKind, Topology } from './topology.js'

export type Mode = 'shared' | 'exclusive'

/** `everything` is taken exclusively by what disturbs all of Aegir, and shared by every other task. */
export type Resource =
  | 'everything'
  | `site:${number}`
  | `platform:${number}`
  | `server:${number}`
  | `database:${number}:${string}`
  | `object:${number}`

export interface Lock {
  readonly resource: Resource
  readonly mode: Mode
}

/** All that a task claims of the machines while it runs. Plain data: a run keeps in its record what it started with. */
export interface Footprint {
  readonly locks: readonly Lock[]
  readonly object: ObjectKind
  /** nids of the web servers (members included) that the run works on: they bear only so many runs at a time. */
  readonly webServers: readonly number[]
  /** nid of the platform whose sites bear only so many verifies at a time; only for the verify of a site. */
  readonly siteVerifyOn?: number
}

/** What the locks of a task depend on. */
export interface Lockable {
  readonly type: string
  readonly rid: number
  readonly arguments: Readonly<Record<string, string>>
}

/** The locks that a task takes: the most exclusive ones where anything about it is unknown. */
export function locks(task: Lockable, topology: Topology, extraTypes?: ExtraTypes): readonly Lock[] {
  const footprints = new Footprints(topology, extraTypes)
  return footprints.plain(footprints.of(task)).locks
}
