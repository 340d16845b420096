import { isExclusive, resourceOf } from './resources.js'
import type { LockCode } from './resources.js'

export interface Conflict<Who> {
  /** Number of the resource. */
  readonly resource: number
  readonly by: Who
}

/**
 * What runs hold, and what the tasks further ahead in the line claim. By the number of the resource it keeps the first
 * of each kind, which is the one that a person is told.
 */
export class LockTable<Who> {
  private readonly held: Holders<Who>
  private readonly claimed: Holders<Who>
  /** Claims that an interactive task may pass. */
  private readonly passable: Holders<Who>

  /** `resources`: how many there are; their numbers are below it. */
  constructor(resources: number) {
    this.held = new Holders(resources)
    this.claimed = new Holders(resources)
    this.passable = new Holders(resources)
  }

  hold(locks: readonly LockCode[], by: Who): void {
    this.held.add(locks, by)
  }

  claim(locks: readonly LockCode[], by: Who, passable: boolean): void {
    if (passable) this.passable.add(locks, by)
    else this.claimed.add(locks, by)
  }

  /** The first resource that a run holds in a way that excludes these locks. */
  heldAgainst(locks: readonly LockCode[]): Conflict<Who> | undefined {
    return this.held.against(locks)
  }

  /** The first resource that a task further ahead claims against these locks; `passes` is for interactive tasks. */
  claimedAgainst(locks: readonly LockCode[], passes: boolean): Conflict<Who> | undefined {
    return this.claimed.against(locks) ?? (passes ? undefined : this.passable.against(locks))
  }
}

class Holders<Who> {
  private readonly exclusively: (Who | undefined)[]
  private readonly shared: (Who | undefined)[]
  private empty = true

  constructor(resources: number) {
    this.exclusively = new Array<Who | undefined>(resources).fill(undefined)
    this.shared = new Array<Who | undefined>(resources).fill(undefined)
  }

  add(locks: readonly LockCode[], by: Who): void {
    this.empty = false
    for (const lock of locks) {
      const holders = isExclusive(lock) ? this.exclusively : this.shared
      holders[resourceOf(lock)] ??= by
    }
  }

  against(locks: readonly LockCode[]): Conflict<Who> | undefined {
    if (this.empty) return undefined
    for (const lock of locks) {
      const resource = resourceOf(lock)
      const by = this.exclusively[resource] ?? (isExclusive(lock) ? this.shared[resource] : undefined)
      if (by !== undefined) return { resource, by }
    }
    return undefined
  }
}
