import type { Entry } from './line.js'
import { changed } from './queue-order.js'
import { EVERYTHING, isExclusive, resourceOf } from './resources.js'

/** Order of the line. */
export function byPlace(a: Entry, b: Entry): number {
  return a.anchor - b.anchor || a.rank - b.rank || a.index - b.index
}

/** Parents and children that were queued further apart (in seconds) keep the queue's order: so nobody waits for ever. */
const WINDOW = 24 * 60 * 60

/**
 * Moves parents and children that both wait (`entries` in the queue's order, which this reorders;
 * `resources` is their number):
 *
 * - The verify of a server or platform, when it is the first task of its object, moves to just before the first task
 *   that is on it: servers before platforms before sites.
 * - The deletion of a platform or server moves to just behind the last deletion of what is on it: sites before
 *   platforms before servers. The later tasks of its object move along, because tasks of one object keep their order.
 *
 * The result is one line again, so no two tasks can ever wait for each other.
 */
export function parentsFirst(entries: Entry[], resources: number): Entry[] {
  const verifies = firstOfTheirObject(entries).filter((entry) => isOf(entry, 'verify', 'platform', 'server'))
  const deletions = entries.filter((entry) => !entry.putOff && isOf(entry, 'delete', 'platform', 'server'))
  if (verifies.length === 0 && deletions.length === 0) return entries

  const children = childrenOf([...verifies, ...deletions], entries, resources)
  for (const verify of verifies) moveBeforeChildren(verify, children)
  // A server's deletion looks at where those of its platforms have moved to.
  for (const deletion of deletions) if (deletion.footprint.object === 'platform') moveBehindChildren(deletion, children)
  for (const deletion of deletions) if (deletion.footprint.object === 'server') moveBehindChildren(deletion, children)
  keepObjectsInOrder(entries)
  return entries.sort(byPlace)
}

type Kind = Entry['footprint']['object']

function isOf(entry: Entry, type: string, ...kinds: Kind[]): boolean {
  return entry.task.type === type && kinds.includes(entry.footprint.object)
}

function firstOfTheirObject(entries: readonly Entry[]): Entry[] {
  const first = new Map<number, Entry>()
  for (const entry of entries) {
    const { task, footprint } = entry
    if (footprint.object !== 'site' && !first.has(task.rid)) first.set(task.rid, entry)
  }
  return [...first.values()].filter((entry) => !entry.putOff)
}

/** By the number of a resource that a parent takes exclusively: the tasks that use it, in the queue's order. */
type Children = readonly (readonly Entry[] | undefined)[]

function childrenOf(parents: readonly Entry[], entries: readonly Entry[], resources: number): Children {
  const children = new Array<Entry[] | undefined>(resources).fill(undefined)
  for (const parent of parents) for (const resource of territory(parent)) children[resource] = []
  for (const entry of entries) {
    if (entry.putOff) continue
    for (const lock of entry.footprint.locks) children[resourceOf(lock)]?.push(entry)
  }
  return children
}

function territory({ footprint }: Entry): number[] {
  return footprint.locks.filter((lock) => isExclusive(lock) && resourceOf(lock) !== EVERYTHING).map(resourceOf)
}

function moveBeforeChildren(verify: Entry, children: Children): void {
  const server = verify.footprint.object === 'server'
  for (const resource of territory(verify)) {
    const child = children[resource]?.find((each) => {
      const isChild = each.footprint.object === 'site' || (server && isOf(each, 'verify', 'platform'))
      return isChild && changed(verify.task) - changed(each.task) <= WINDOW
    })
    if (child === undefined || child.index >= verify.anchor) continue
    verify.anchor = child.index
    verify.rank = server ? -2 : -1
  }
}

function moveBehindChildren(deletion: Entry, children: Children): void {
  const server = deletion.footprint.object === 'server'
  for (const resource of territory(deletion)) {
    for (const child of children[resource] ?? []) {
      const isChild = isOf(child, 'delete', 'site') || (server && isOf(child, 'delete', 'platform'))
      if (!isChild || child.anchor <= deletion.anchor) continue
      if (changed(child.task) - changed(deletion.task) > WINDOW) continue
      deletion.anchor = child.anchor
      deletion.rank = server ? 2 : 1
    }
  }
}

function keepObjectsInOrder(entries: readonly Entry[]): void {
  const last = new Map<number, Entry>()
  for (const entry of entries) {
    const before = last.get(entry.task.rid)
    if (before !== undefined && (before.anchor - entry.anchor || before.rank - entry.rank) > 0) {
      entry.anchor = before.anchor
      entry.rank = before.rank
    }
    last.set(entry.task.rid, entry)
  }
}
