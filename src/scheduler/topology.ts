/**
 * What is known about the objects that tasks act on: plain data, filled from Aegir's tables by whoever has SQL.
 *
 * Relations are those of the current revisions (`node.vid`). An object that is in none of the maps is unknown, and so
 * is everything that hangs on it: its tasks then take the most exclusive set of locks, never the least.
 */
export interface Topology {
  readonly sites: ReadonlyMap<number, Site>
  readonly platforms: ReadonlyMap<number, Platform>
  readonly servers: ReadonlyMap<number, Server>
  /** `hosting_context`: name (without the `@`) to nid; task arguments may name an object as `@name`. */
  readonly contexts: ReadonlyMap<string, number>
}

export interface Site {
  readonly nid: number
  /** The title of the site's node; the name of its database is made from it. */
  readonly uri: string
  /** nid of its platform (`hosting_site.platform`). */
  readonly platform: number
  /** nid of its database server (`hosting_site.db_server`). */
  readonly dbServer: number
  /** nid of its client (`hosting_site.client`). */
  readonly client: number
  /** Whether this is Aegir's own site: its verify rewrites drush's configuration under everybody. */
  readonly hostmaster: boolean
}

export interface Platform {
  readonly nid: number
  /** nid of its web server (`hosting_platform.web_server`). */
  readonly webServer: number
}

export interface Server {
  readonly nid: number
  /** nids that this server stands for: `hosting_web_cluster` and `hosting_web_pack`; empty for a plain server. */
  readonly members: readonly number[]
  /** Names of its services (`hosting_service.service`), such as `http` and `db`. */
  readonly services: readonly string[]
}

export type ObjectKind = 'site' | 'platform' | 'server' | 'unknown'

/** A topology of nothing: every object is unknown, so one task runs at a time. */
export function emptyTopology(): Topology {
  return { sites: new Map(), platforms: new Map(), servers: new Map(), contexts: new Map() }
}

export function kindOf(nid: number, topology: Topology): ObjectKind {
  if (topology.sites.has(nid)) return 'site'
  if (topology.platforms.has(nid)) return 'platform'
  if (topology.servers.has(nid)) return 'server'
  return 'unknown'
}

/**
 * A server and all that it stands for, itself first; `undefined` when it or one of its members is unknown.
 * A member may itself be a cluster; a circle of memberships ends where it began.
 */
export function serverAndMembers(nid: number, topology: Topology): readonly number[] | undefined {
  const plain = topology.servers.get(nid)
  if (plain === undefined) return undefined
  if (plain.members.length === 0) return [nid]
  const found = new Set([nid])
  // A Set yields what is added during its own iteration, so this visits members of members too.
  for (const each of found) {
    const server = topology.servers.get(each)
    if (server === undefined) return undefined
    for (const member of server.members) found.add(member)
  }
  return [...found]
}

/** The nid that a task argument means: a number, `@name` or `name`; `undefined` when it names nothing known. */
export function resolveObject(value: string | undefined, topology: Topology): number | undefined {
  if (value === undefined || value === '') return undefined
  const named = topology.contexts.get(value.startsWith('@') ? value.slice(1) : value)
  if (named !== undefined) return named
  return /^[1-9]\d{0,9}$/.test(value) ? Number(value) : undefined
}

/** How people call an object: a site by its uri, all else by its context; `undefined` for one that has no name. */
export function namesIn(topology: Topology): (nid: number) => string | undefined {
  let contexts: Map<number, string> | undefined
  return (nid) => {
    contexts ??= new Map([...topology.contexts].map(([name, of]) => [of, name]))
    return topology.sites.get(nid)?.uri ?? contexts.get(nid)
  }
}
