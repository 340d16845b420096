import type { Platform, Server, Site, Topology } from '../../src/scheduler/topology.js'
import type { TaskSpec } from './node-rows.js'
import type { Sandbox } from './sandbox.js'

export interface WorldSize {
  /** Servers beside Aegir's own and the pack's. */
  servers?: number
  /** Servers that the pack stands for; 0: no pack. */
  packed?: number
  /** Aegir's own among them. */
  platforms?: number
  /** Aegir's own among them. */
  sites?: number
  clients?: number
}

/** A hosting as its builder knows it: never read back from the database, so that it can witness against who did. */
export interface World {
  readonly topology: Topology
  /** nids: of Aegir's own server, platform and site. */
  readonly hostmaster: { server: number; platform: number; site: number }
  /** nids, without those of the hostmaster. */
  readonly servers: readonly number[]
  readonly platforms: readonly number[]
  readonly sites: readonly number[]
}

/** Sites of which this many are named alike, so that provision makes the same 16 characters of their names. */
const ALIKE = 6

/**
 * Builds a hosting: 3 servers, one of them a pack of two more, 8 platforms, 120 sites of 10 clients unless told
 * otherwise. Platforms go round the servers, sites round the platforms; every other site has its database on Aegir's
 * own server.
 */
export async function buildWorld(sandbox: Sandbox, size: WorldSize = {}): Promise<World> {
  const { servers: plain = 1, packed = 2, platforms: platformCount = 8, sites: siteCount = 120, clients = 10 } = size
  const { hostmaster, database } = sandbox
  const { port } = database
  const own = await hostmaster.hostmasterSite(`aegir-${port}.example.com`)
  const servers = new Map<number, Server>([[own.server, server(own.server)]])
  const webServers = [own.server]
  for (let i = 0; i < plain; i++) {
    const nid = await hostmaster.server({ name: `web${i}x${port}` })
    servers.set(nid, server(nid))
    webServers.push(nid)
  }
  if (packed > 0) {
    const members: number[] = []
    for (let i = 0; i < packed; i++) members.push(await hostmaster.server({ name: `pack${i}x${port}`, db: false }))
    const pack = await hostmaster.webPack(members, `pack-x${port}`)
    for (const nid of members) servers.set(nid, server(nid))
    servers.set(pack, server(pack, members))
    webServers.push(pack)
  }

  const platforms = new Map<number, Platform>([[own.platform, { nid: own.platform, webServer: own.server }]])
  for (let i = 1; i < platformCount; i++) {
    const webServer = webServers[i % webServers.length] ?? own.server
    const nid = await hostmaster.platform({ name: `p${i}x${port}`, server: webServer })
    platforms.set(nid, { nid, webServer })
  }

  const owners: number[] = []
  for (let i = 0; i < clients; i++) owners.push(await hostmaster.client({ name: `client${i}x${port}` }))
  const uri = `aegir-${port}.example.com`
  const contexts = new Map([['hostmaster', own.site]])
  const sites = new Map<number, Site>([
    [own.site, { nid: own.site, uri, platform: own.platform, dbServer: own.server, client: 0, hostmaster: true }],
  ])
  const places = [...platforms.values()].slice(platformCount > 1 ? 1 : 0)
  for (let i = 1; i < siteCount; i++) {
    const place = places[i % places.length]
    if (place === undefined) break
    const isPack = (servers.get(place.webServer)?.members.length ?? 0) > 0
    const dbServer = i % 2 === 0 || isPack ? own.server : place.webServer
    const uri = i <= ALIKE ? `department-number-${i}-${port}.example.com` : `s${i}-${port}.example.com`
    const client = owners[i % owners.length] ?? 0
    const nid = await hostmaster.site({ uri, platform: place.nid, dbServer, client })
    sites.set(nid, { nid, uri, platform: place.nid, dbServer, client, hostmaster: false })
    contexts.set(uri, nid)
  }
  const others = <T>(nids: Map<number, T>, mine: number): number[] => [...nids.keys()].filter((nid) => nid !== mine)
  return {
    topology: { servers, platforms, sites, contexts },
    hostmaster: own,
    servers: others(servers, own.server),
    platforms: others(platforms, own.platform),
    sites: others(sites, own.site),
  }
}

function server(nid: number, members: number[] = []): Server {
  return { nid, members, services: ['http', 'db'] }
}

/** Task types and how many of a hundred tasks they are, roughly as on a busy Aegir, with each type of its tables. */
const SITE_TYPES: Record<string, number> = {
  verify: 30,
  backup: 12,
  'login-reset': 8,
  flush_cache: 6,
  run_cron: 5,
  install: 4,
  enable: 3,
  disable: 3,
  restore: 3,
  delete: 3,
  rebuild_registry: 2,
  'backup-delete': 2,
  update: 2,
  import: 2,
  sync: 2,
  migrate: 2,
  clone: 2,
  contributed: 0.5,
}
const PLATFORM_TYPES: Record<string, number> = { verify: 4, lock: 0.6, unlock: 0.6, delete: 0.4, contributed: 0.2 }
const SERVER_TYPES: Record<string, number> = { verify: 0.6, delete: 0.2, contributed: 0.1 }
const HOSTMASTER_VERIFY = 0.3

/** `count` tasks of all types, the same for the same seed; each lasts about `ms`, a clone, migrate or restore more. */
export function mixedTasks(world: World, count: number, { ms, seed = 1 }: { ms: number; seed?: number }): TaskSpec[] {
  const random = randomNumbers(seed)
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const sorts = [
    ...Object.entries(SITE_TYPES).map(([type, weight]) => ({ type, weight, objects: world.sites })),
    ...Object.entries(PLATFORM_TYPES).map(([type, weight]) => ({ type, weight, objects: world.platforms })),
    ...Object.entries(SERVER_TYPES).map(([type, weight]) => ({ type, weight, objects: world.servers })),
    { type: 'verify', weight: HOSTMASTER_VERIFY, objects: [world.hostmaster.site] },
  ]
  const total = sorts.reduce((sum, { weight }) => sum + weight, 0)
  // Every type occurs; then as it falls.
  const pick = (index: number) => {
    const first = sorts[index]
    if (first !== undefined) return first
    let at = random() * total
    return sorts.find(({ weight }) => (at -= weight) < 0) ?? any(sorts)
  }
  const now = Math.floor(Date.now() / 1000)
  return [...Array(count).keys()].map((index) => {
    const { type, objects } = pick(index)
    const isLong = ['clone', 'migrate', 'restore'].includes(type)
    const lasts = Math.round(ms * (0.5 + random()) * (isLong ? 2 : 1))
    const moves = type === 'clone' || type === 'migrate'
    const args: Record<string, string> = { sandbox_ms: String(lasts) }
    if (moves) args['target_platform'] = String(any(world.platforms))
    if (moves && random() < 0.7) args['new_uri'] = `new-${Math.floor(random() * 1e6)}.example.com`
    if (type === 'clone') args['new_uri'] ??= `copy-${Math.floor(random() * 1e6)}.example.com`
    if (moves && random() < 0.3) args['new_db_server'] = String(world.hostmaster.server)
    if (type === 'restore') args['bid'] = '1'
    if (type === 'sync') args['source'] = `@${world.topology.sites.get(any(world.sites))?.uri ?? ''}`
    return { object: any(objects), type, arguments: args, changed: now - Math.floor(random() * 1500) }
  })
}

/** mulberry32: small, and good enough to be fair. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
