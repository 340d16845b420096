import { databaseName, spareDatabaseName } from './database-name.js'
import type { Footprint, Lockable, Mode } from './locks.js'
import { EVERYTHING, isExclusive, lockCode, resourceOf, Resources } from './resources.js'
import type { LockCode } from './resources.js'
import { HOSTMASTER_VERIFY, isKnownType, NEEDS_ARGUMENTS, PLATFORM_TASKS, SITE_TASKS } from './task-types.js'
import type { ExtraTypes, LockWord, SiteNeed } from './task-types.js'
import { kindOf, resolveObject, serverAndMembers } from './topology.js'
import type { ObjectKind, Platform, Site, Topology } from './topology.js'

/** As `Footprint`, with its locks as numbers. */
export interface CodedFootprint extends Omit<Footprint, 'locks'> {
  readonly locks: readonly LockCode[]
  /** Whether this is a verify of a platform, a server or the hostmaster site, which may wait for hours. */
  readonly broadVerify: boolean
}

interface Claim {
  readonly locks: readonly LockCode[]
  readonly webServers: readonly number[]
}

interface Kept<Key> {
  get: (key: Key) => CodedFootprint | undefined
  set: (key: Key, footprint: CodedFootprint) => unknown
}

/**
 * The footprints of tasks in one topology. Keeps what it has computed, because a queue is planned anew at each change:
 * whoever keeps one makes a new one when the topology has changed, and never changes a task that it has been given.
 */
export class Footprints {
  readonly resources = new Resources()
  private readonly topology: Topology
  private readonly extraTypes: ExtraTypes | undefined
  /** By type, by object: of types whose locks do not depend on the task's arguments. */
  private readonly byObject = new Map<string, Map<number, CodedFootprint>>()
  /** Of the other types. */
  private readonly byTask = new WeakMap<Lockable, CodedFootprint>()
  private readonly servers = { shared: new Map<number, Claim>(), exclusive: new Map<number, Claim>() }
  /** By platform, by database server: what each of their sites' tasks takes. */
  private readonly bases = new Map<number, Map<number, Claim | undefined>>()

  private readonly databaseNames = new Map<string, string>()

  constructor(topology: Topology, extraTypes?: ExtraTypes) {
    this.topology = topology
    this.extraTypes = extraTypes
  }

  of(task: Lockable): CodedFootprint {
    if (NEEDS_ARGUMENTS.has(task.type)) return this.keep(this.byTask, task, task)
    let ofType = this.byObject.get(task.type)
    if (ofType === undefined) this.byObject.set(task.type, (ofType = new Map<number, CodedFootprint>()))
    return this.keep(ofType, task.rid, task)
  }

  private keep<Key>(kept: Kept<Key>, key: Key, task: Lockable): CodedFootprint {
    let footprint = kept.get(key)
    if (footprint === undefined) kept.set(key, (footprint = this.compute(task)))
    return footprint
  }

  plain({ locks, object, webServers, siteVerifyOn }: CodedFootprint): Footprint {
    return {
      locks: locks.map((code) => this.resources.decode(code)),
      object,
      webServers,
      ...(siteVerifyOn !== undefined && { siteVerifyOn }),
    }
  }

  coded(footprint: Footprint): CodedFootprint {
    const locks = footprint.locks.map((lock) => this.resources.encode(lock))
    return { ...footprint, locks, broadVerify: false }
  }

  private compute(task: Lockable): CodedFootprint {
    const object = kindOf(task.rid, this.topology)
    const site = this.topology.sites.get(task.rid)
    const verify = task.type === 'verify'
    const { locks, webServers } = this.claim(task, object) ?? this.mostExclusive(task, object)
    return {
      locks,
      object,
      webServers,
      ...(verify && site !== undefined && { siteVerifyOn: site.platform }),
      broadVerify: verify && (object === 'platform' || object === 'server' || site?.hostmaster === true),
    }
  }

  private mostExclusive({ rid }: Lockable, object: ObjectKind): Claim {
    const own = this.node(object === 'unknown' ? 'object' : object, rid, 'exclusive')
    return { locks: [own, lockCode(EVERYTHING, 'exclusive')], webServers: [] }
  }

  /** `undefined` when something about the task is unknown. */
  private claim(task: Lockable, object: ObjectKind): Claim | undefined {
    switch (object) {
      case 'site':
        return this.siteClaim(task)
      case 'platform':
        return this.platformClaim(task)
      case 'server': {
        // Known type or not: what is done to a server is done to everything on it.
        const servers = this.serverClaim(task.rid, 'exclusive')
        return servers && { ...servers, locks: [...servers.locks, lockCode(EVERYTHING, 'shared')] }
      }
      case 'unknown':
        return undefined
    }
  }

  private siteClaim(task: Lockable): Claim | undefined {
    const site = this.topology.sites.get(task.rid)
    const platform = this.topology.platforms.get(site?.platform ?? 0)
    if (site === undefined || platform === undefined) return undefined
    const base = this.siteBase(platform, site.dbServer)
    if (base === undefined) return undefined

    const claim = new Claims([this.node('site', site.nid, 'exclusive'), ...base.locks], base.webServers)
    const needs = task.type === 'verify' && site.hostmaster ? HOSTMASTER_VERIFY : SITE_TASKS.get(task.type)
    if (needs === undefined) this.takeWords(task, platform, site, claim)
    return (needs ?? []).every((need) => this.takeNeed(need, task, site, claim)) ? claim : undefined
  }

  private platformClaim(task: Lockable): Claim | undefined {
    const webServer = this.topology.platforms.get(task.rid)?.webServer ?? 0
    const words = PLATFORM_TASKS.has(task.type) ? [] : (this.extraWords(task) ?? ['web_server'])
    const servers = this.serverClaim(webServer, words.includes('web_server') ? 'exclusive' : 'shared')
    const own = this.node('platform', task.rid, 'exclusive')
    const everything = lockCode(EVERYTHING, words.includes('everything') ? 'exclusive' : 'shared')
    return servers && { ...servers, locks: [own, ...servers.locks, everything] }
  }

  /** What skynet.conf says of a type that the tables do not know; `undefined` when it says nothing. */
  private extraWords({ type }: Lockable): readonly LockWord[] | undefined {
    return isKnownType(type) ? undefined : this.extraTypes?.get(type)
  }

  /** What the task of an unknown type on a site takes exclusively. */
  private takeWords(task: Lockable, platform: Platform, site: Site, claim: Claims): void {
    for (const word of this.extraWords(task) ?? ['platform', 'web_server', 'db_server']) {
      switch (word) {
        case 'site':
          break
        case 'platform':
          claim.take(this.node('platform', platform.nid, 'exclusive'))
          break
        case 'web_server':
          claim.takeAll(this.serverClaim(platform.webServer, 'exclusive'))
          break
        case 'db_server':
          claim.takeAll(this.serverClaim(site.dbServer, 'exclusive'))
          break
        case 'database':
          claim.take(this.database(site.dbServer, site.uri))
          break
        case 'everything':
          claim.take(lockCode(EVERYTHING, 'exclusive'))
          break
      }
    }
  }

  /** False when what the task needs is unknown. */
  private takeNeed(need: SiteNeed, task: Lockable, site: Site, claim: Claims): boolean {
    const { topology } = this
    switch (need) {
      case 'X(everything)':
        return claim.take(lockCode(EVERYTHING, 'exclusive'))
      case 'X(platform)':
        return claim.take(this.node('platform', site.platform, 'exclusive'))
      case 'X(target platform)': {
        const target = topology.platforms.get(resolveObject(task.arguments['target_platform'], topology) ?? 0)
        if (target === undefined) return false
        const servers = this.serverClaim(target.webServer, 'shared')
        claim.take(this.node('platform', target.nid, 'exclusive'))
        return claim.takeAll(servers, true)
      }
      case 'S(new db server)':
        return claim.takeAll(this.serverClaim(newDbServer(task, site, topology), 'shared'))
      case 'X(database)':
        return claim.take(this.database(site.dbServer, site.uri))
      case 'X(new database)':
        return claim.take(this.database(newDbServer(task, site, topology), newUri(task, site)))
      case 'S(spare database)':
        return claim.take(this.spareDatabase(site.dbServer, site.uri, 'shared'))
      case 'X(spare database)':
        return claim.take(this.spareDatabase(site.dbServer, site.uri, 'exclusive'))
      case 'S(new spare database)':
        return claim.take(this.spareDatabase(newDbServer(task, site, topology), newUri(task, site), 'shared'))
      case 'X(new spare database)':
        return claim.take(this.spareDatabase(newDbServer(task, site, topology), newUri(task, site), 'exclusive'))
      case 'S(source)': {
        const source = topology.sites.get(resolveObject(task.arguments['source'], topology) ?? 0)
        if (source === undefined) return false
        const webServer = topology.platforms.get(source.platform)?.webServer ?? 0
        claim.take(this.node('site', source.nid, 'shared'))
        return (
          claim.takeAll(this.serverClaim(webServer, 'shared')) &&
          claim.takeAll(this.serverClaim(source.dbServer, 'shared'))
        )
      }
    }
  }

  /** What every task of a site takes besides the site itself. */
  private siteBase(platform: Platform, dbServer: number): Claim | undefined {
    let onPlatform = this.bases.get(platform.nid)
    if (onPlatform === undefined) this.bases.set(platform.nid, (onPlatform = new Map<number, Claim | undefined>()))
    if (onPlatform.has(dbServer)) return onPlatform.get(dbServer)
    const web = this.serverClaim(platform.webServer, 'shared')
    const db = this.serverClaim(dbServer, 'shared')
    const base = new Claims([this.node('platform', platform.nid, 'shared'), lockCode(EVERYTHING, 'shared')])
    const known = base.takeAll(web, true) && base.takeAll(db)
    onPlatform.set(dbServer, known ? base : undefined)
    return onPlatform.get(dbServer)
  }

  /** A server and its members; `undefined` when one of them is unknown. */
  private serverClaim(nid: number, mode: Mode): Claim | undefined {
    const kept = this.servers[mode].get(nid)
    if (kept !== undefined) return kept
    const nids = serverAndMembers(nid, this.topology)
    if (nids === undefined) return undefined
    const claim = { locks: nids.map((server) => this.node('server', server, mode)), webServers: nids }
    this.servers[mode].set(nid, claim)
    return claim
  }

  private node(kind: 'site' | 'platform' | 'server' | 'object', nid: number, mode: Mode): LockCode {
    return lockCode(this.resources.node(kind, nid), mode)
  }

  private database(server: number, uri: string): LockCode {
    const name = this.nameOf(uri)
    // Without a name we cannot tell which database it will be: then it may be any of that server.
    if (name === '') return this.node('server', server, 'exclusive')
    return lockCode(this.resources.database(server, name), 'exclusive')
  }

  private spareDatabase(server: number, uri: string, mode: Mode): LockCode {
    return lockCode(this.resources.database(server, spareDatabaseName(this.nameOf(uri))), mode)
  }

  private nameOf(uri: string): string {
    let name = this.databaseNames.get(uri)
    if (name === undefined) this.databaseNames.set(uri, (name = databaseName(uri)))
    return name
  }
}

/** A claim in the making: of two modes for one resource the stronger stays. */
class Claims implements Claim {
  readonly locks: LockCode[]
  readonly webServers: number[]

  constructor(locks: LockCode[], webServers: readonly number[] = []) {
    this.locks = locks
    this.webServers = [...webServers]
  }

  take(lock: LockCode): true {
    const { locks } = this
    for (let i = 0; i < locks.length; i++) {
      const other = locks[i] ?? lock
      if (resourceOf(other) !== resourceOf(lock)) continue
      if (isExclusive(lock)) locks[i] = lock
      return true
    }
    locks.push(lock)
    return true
  }

  /** False when there is nothing to take, because a server is unknown. */
  takeAll(claim: Claim | undefined, countsOnWebServers = false): boolean {
    if (claim === undefined) return false
    for (const lock of claim.locks) this.take(lock)
    if (!countsOnWebServers) return true
    for (const nid of claim.webServers) if (!this.webServers.includes(nid)) this.webServers.push(nid)
    return true
  }
}

/** 0, which is no server, when the argument names nothing. */
function newDbServer(task: Lockable, site: Site, topology: Topology): number {
  const value = task.arguments['new_db_server'] ?? ''
  return value === '' || value === '0' ? site.dbServer : (resolveObject(value, topology) ?? 0)
}

/** A migrate without a new uri keeps its own; a clone must have one. */
function newUri(task: Lockable, site: Site): string {
  const value = task.arguments['new_uri'] ?? ''
  return value === '' && task.type === 'migrate' ? site.uri : value
}
