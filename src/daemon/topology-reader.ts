import type { DatabaseConnection } from '../hostmaster/connection.js'
import { readChangedObjects, readObjects, type ChangedObject, type ObjectRows } from '../hostmaster/topology-queries.js'
import { Footprints } from '../scheduler/footprints.js'
import type { ExtraTypes } from '../scheduler/task-types.js'
import type { Topology } from '../scheduler/topology.js'

/** Saves are noted in whole seconds and may commit late; a change is looked for from this much earlier (seconds). */
const OVERLAP = 60

/** A drush that has worked for longer than this, in milliseconds, may save objects in a time that is looked at no more. */
const LONG_RUN = (OVERLAP * 1_000) / 2

/** An answer that was asked for longer ago than this, in milliseconds, is not of the moment before a start. */
const ASKED_AGE = 50

/** What locks are computed from: the objects, and the footprints kept for just these objects. */
export interface KnownTopology {
  topology: Topology
  footprints: Footprints
}

/** Keeps the topology as true as the next start needs it: read once, and again when one of its objects was saved. */
export class TopologyReader {
  #known: KnownTopology | undefined
  #extraTypes: ExtraTypes | undefined
  #readAt = 0
  #changes = ''
  #asked: { at: number; changed: Promise<ChangedObject[]> } | undefined
  #isDoubtful = false

  /** As last read. */
  get current(): KnownTopology | undefined {
    return this.#known
  }

  /**
   * Asks ahead for what `refresh` will ask for: a start is near, and the answer comes while something else is done. Starts
   * that follow closely share it.
   */
  ask(connection: DatabaseConnection, now: number): Promise<ChangedObject[]> {
    if (this.#asked && Math.abs(now - this.#asked.at) <= ASKED_AGE) return this.#asked.changed
    const changed = readChangedObjects(connection, Math.floor(this.#readAt / 1000) - OVERLAP)
    // Whether it fails is for whoever takes the answer.
    changed.catch(() => undefined)
    this.#asked = { at: now, changed }
    return changed
  }

  /**
   * To be called in the moment before a start: asks which objects were saved lately, and reads all anew if others were
   * than at the last time. @throws DatabaseError
   */
  async refresh(
    connection: DatabaseConnection,
    hostmaster: number | null,
    extraTypes: ExtraTypes,
    now: number,
  ): Promise<KnownTopology> {
    const changed = await this.ask(connection, now)
    const changes = changed.map(({ nid, vid, changed: at }) => `${nid}:${vid}:${at}`).join()
    const isOld = Math.abs(now - this.#readAt) > OVERLAP * 500 && changes !== ''
    if (!this.#known || this.#isDoubtful || isOld || changes !== this.#changes || extraTypes !== this.#extraTypes) {
      this.#isDoubtful = false
      const rows = await readObjects(connection, hostmaster).catch((error: unknown) => {
        // It has yet to be done.
        this.#isDoubtful = true
        throw error
      })
      const topology = topologyOf(rows)
      this.#known = { topology, footprints: new Footprints(topology, extraTypes) }
      this.#readAt = now
      this.#changes = changes
      this.#extraTypes = extraTypes
    } else if (changes === '') {
      // As true now as when it was read; else the time to look back on would grow with every task that is saved.
      this.#readAt = now
    }
    return this.#known
  }

  /** Tasks have come to light: what was asked before may not know of what was saved together with them. */
  askAnew(): void {
    this.#asked = undefined
  }

  /**
   * A drush has ended that began `duration` milliseconds ago, or nobody knows when. Drupal stamps what it saves with the time at which
   * that process began, so what a migrate of an hour has changed looks as if it had been changed an hour ago.
   */
  drushEnded(duration: number | null): void {
    if (duration !== null && duration < LONG_RUN) return
    this.#isDoubtful = true
    this.#asked = undefined
  }

  forget(): void {
    this.#known = undefined
    this.#asked = undefined
    this.#readAt = 0
  }
}

export function topologyOf(rows: ObjectRows): Topology {
  const services = groupBy(rows.services, (row) => row.nid)
  const members = groupBy(rows.members, (row) => row.nid)
  return {
    sites: new Map(
      rows.sites.map(({ nid, uri, platform, db_server, client }) => [
        nid,
        { nid, uri, platform, dbServer: db_server, client, hostmaster: nid === rows.hostmaster },
      ]),
    ),
    platforms: new Map(rows.platforms.map(({ nid, web_server }) => [nid, { nid, webServer: web_server }])),
    servers: new Map(
      rows.servers.map(({ nid }) => [
        nid,
        {
          nid,
          members: (members.get(nid) ?? []).map((row) => row.member),
          services: (services.get(nid) ?? []).map((row) => row.service),
        },
      ]),
    ),
    contexts: new Map(rows.contexts.map(({ nid, name }) => [name, nid])),
  }
}

function groupBy<Row>(rows: Row[], key: (row: Row) => number): Map<number, Row[]> {
  const groups = new Map<number, Row[]>()
  for (const row of rows) {
    const group = groups.get(key(row))
    if (group) group.push(row)
    else groups.set(key(row), [row])
  }
  return groups
}
