import type { Lock, Mode, Resource } from './locks.js'

/**
 * A lock as a number: twice the number of its resource, plus one when it is exclusive. A queue of ten thousand tasks
 * takes about a hundred thousand locks in each plan; as numbers they are looked up in arrays, as names in hash tables.
 */
export type LockCode = number

/** The number of `everything`. */
export const EVERYTHING = 0

/** Numbers the resources in the order in which they are first asked for. */
export class Resources {
  private readonly names: Resource[] = ['everything']
  /** Sites, platforms, servers and unknown objects are all nodes: a nid means the same resource whatever its kind. */
  private readonly nodes = new Map<number, number>()
  /** By server, by name. */
  private readonly databases = new Map<number, Map<string, number>>()

  get count(): number {
    return this.names.length
  }

  node(kind: 'site' | 'platform' | 'server' | 'object', nid: number): number {
    return this.nodes.get(nid) ?? this.add(this.nodes, nid, `${kind}:${nid}`)
  }

  database(server: number, name: string): number {
    let onServer = this.databases.get(server)
    if (onServer === undefined) this.databases.set(server, (onServer = new Map<string, number>()))
    return onServer.get(name) ?? this.add(onServer, name, `database:${server}:${name}`)
  }

  name(resource: number): Resource {
    return this.names[resource] ?? 'everything'
  }

  decode(code: LockCode): Lock {
    return { resource: this.name(code >> 1), mode: isExclusive(code) ? 'exclusive' : 'shared' }
  }

  /** The code of a lock that was read from a record; a resource that it cannot read is `everything`. */
  encode({ resource, mode }: Lock): LockCode {
    const [, kind, nid, name] = /^(site|platform|server|object|database):(-?\d+)(?::(.*))?$/s.exec(resource) ?? []
    if (kind === undefined || nid === undefined) return lockCode(EVERYTHING, mode)
    if (kind === 'database') return lockCode(this.database(Number(nid), name ?? ''), mode)
    return lockCode(this.node(kind as 'object', Number(nid)), mode)
  }

  private add<Key>(numbers: Map<Key, number>, key: Key, name: Resource): number {
    const number = this.names.push(name) - 1
    numbers.set(key, number)
    return number
  }
}

export function lockCode(resource: number, mode: Mode): LockCode {
  return mode === 'exclusive' ? resource * 2 + 1 : resource * 2
}

export function isExclusive(code: LockCode): boolean {
  return (code & 1) === 1
}

export function resourceOf(code: LockCode): number {
  return code >> 1
}
