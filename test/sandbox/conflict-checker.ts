/**
 * An independent witness for "nothing that may not run together ever does": it knows the conflict table of Aegir's
 * tasks and nothing of Skynet's scheduler, and judges what drush's journal says has happened.
 */

/** One task as the journal has it; times in any unit, all in the same one. */
export interface Interval {
  nid: number
  rid: number
  type: string
  arguments?: Readonly<Record<string, string>>
  start: number
  end: number
  /** `node.changed` when it was queued, for the order on one object; by nid alone where absent. */
  changed?: number
  /** nid of the task that started this one inside itself: the two never disturb each other. */
  partOf?: number
}

/** What the checker must know of the objects; the scheduler's own topology fits. */
export interface World {
  sites: ReadonlyMap<number, { uri: string; platform: number; dbServer: number; hostmaster: boolean }>
  platforms: ReadonlyMap<number, { webServer: number }>
  servers: ReadonlyMap<number, { members: readonly number[] }>
  /** Context names without the `@`. */
  contexts: ReadonlyMap<string, number>
}

export type Fault =
  | { kind: 'overlap'; a: Interval; b: Interval; over: string }
  | { kind: 'out-of-order'; first: Interval; second: Interval }
  | { kind: 'too-many'; what: string; at: number; running: Interval[] }

export interface CheckOptions {
  runsPerWebServer?: number
  siteVerifiesPerPlatform?: number
}

/** What a task needs: thing to mode, S shared or X exclusive. */
type Needs = Map<string, 'S' | 'X'>

/**
 * All faults of a journal. A migrate moves its site: where that happened, give a function that knows the world as it
 * was when the interval began.
 */
export function check(
  intervals: readonly Interval[],
  world: World | ((interval: Interval) => World),
  options: CheckOptions = {},
): Fault[] {
  const worldOf = typeof world === 'function' ? world : () => world
  const needs = new Map(intervals.map((each) => [each, needsOf(each, worldOf(each))]))
  const faults: Fault[] = outOfOrder(intervals)
  let running: Interval[] = []
  for (const each of [...intervals].sort((a, b) => a.start - b.start || a.nid - b.nid)) {
    running = running.filter(({ end }) => end > each.start)
    for (const other of running) {
      if (each.partOf === other.nid || other.partOf === each.nid) continue
      const over = each.rid === other.rid ? `object ${each.rid}` : clash(needs.get(each), needs.get(other))
      if (over !== undefined) faults.push({ kind: 'overlap', a: other, b: each, over })
    }
    running.push(each)
    faults.push(...tooMany(running, each, worldOf, options))
  }
  return faults
}

/** Whether two tasks may not run at the same time. */
export function disturbs(
  a: Omit<Interval, 'start' | 'end'>,
  b: Omit<Interval, 'start' | 'end'>,
  world: World,
): boolean {
  const during = { start: 0, end: 1 }
  return (
    a.rid === b.rid || clash(needsOf({ ...a, ...during }, world), needsOf({ ...b, ...during }, world)) !== undefined
  )
}

function clash(a: Needs = new Map(), b: Needs = new Map()): string | undefined {
  for (const [thing, mode] of a) {
    const other = b.get(thing)
    if (other !== undefined && (mode === 'X' || other === 'X')) return thing
  }
  return undefined
}

function outOfOrder(intervals: readonly Interval[]): Fault[] {
  const faults: Fault[] = []
  const objects = new Map<number, Interval[]>()
  for (const each of intervals) {
    if (each.partOf === undefined) objects.set(each.rid, [...(objects.get(each.rid) ?? []), each])
  }
  for (const tasks of objects.values()) {
    const queued = [...tasks].sort((a, b) => (a.changed ?? 0) - (b.changed ?? 0) || a.nid - b.nid)
    for (const [i, second] of queued.entries()) {
      const first = queued[i - 1]
      if (first !== undefined && second.start < first.start) faults.push({ kind: 'out-of-order', first, second })
    }
  }
  return faults
}

function needsOf(task: Interval, world: World): Needs {
  const needs: Needs = new Map([['everything', 'S']])
  const take = (thing: string, mode: 'S' | 'X') => needs.set(thing, needs.get(thing) === 'X' ? 'X' : mode)
  const takeServer = (nid: number, mode: 'S' | 'X', seen = new Set<number>()) => {
    if (seen.has(nid)) return
    seen.add(nid)
    const server = world.servers.get(nid)
    if (server === undefined) take('everything', 'X')
    take(`server ${nid}`, mode)
    for (const member of server?.members ?? []) takeServer(member, mode, seen)
  }
  const argument = (name: string) => task.arguments?.[name] ?? ''
  const meant = (value: string) => world.contexts.get(value.replace(/^@/, '')) ?? Number(value)

  const site = world.sites.get(task.rid)
  const platform = world.platforms.get(site?.platform ?? task.rid)
  if (site !== undefined && platform !== undefined) {
    take(`site ${task.rid}`, 'X')
    take(`platform ${site.platform}`, 'S')
    takeServer(platform.webServer, 'S')
    takeServer(site.dbServer, 'S')
    const newServer = ['', '0'].includes(argument('new_db_server')) ? site.dbServer : meant(argument('new_db_server'))
    const database = (server: number, uri: string) => take(`database ${server} ${first16(uri)}`, 'X')
    const target = meant(argument('target_platform'))
    switch (task.type) {
      case 'verify':
        if (site.hostmaster) take('everything', 'X')
        break
      case 'import':
      case 'disable':
      case 'enable':
      case 'login-reset':
      case 'backup-delete':
      case 'flush_cache':
      case 'rebuild_registry':
      case 'run_cron':
      case 'backup':
      case 'delete':
      case 'update':
        break
      case 'install':
      case 'restore':
        database(site.dbServer, site.uri)
        break
      case 'migrate':
        take(`platform ${site.platform}`, 'X')
        take(`platform ${target}`, 'X')
        takeServer(newServer, 'S')
        database(site.dbServer, site.uri)
        database(newServer, argument('new_uri') === '' ? site.uri : argument('new_uri'))
        break
      case 'clone':
        take(`platform ${site.platform}`, 'X')
        take(`platform ${target}`, 'X')
        database(newServer, argument('new_uri'))
        break
      case 'sync':
        take(`site ${meant(argument('source'))}`, 'S')
        break
      default:
        take(`platform ${site.platform}`, 'X')
        takeServer(platform.webServer, 'X')
        takeServer(site.dbServer, 'X')
    }
  } else if (site === undefined && platform !== undefined) {
    take(`platform ${task.rid}`, 'X')
    takeServer(platform.webServer, ['verify', 'lock', 'unlock', 'delete'].includes(task.type) ? 'S' : 'X')
  } else if (world.servers.has(task.rid)) {
    takeServer(task.rid, 'X')
  } else {
    take('everything', 'X')
  }
  return needs
}

function first16(uri: string): string {
  return uri
    .replace(/^www\./, '')
    .replaceAll('.', '')
    .replaceAll('-', '')
    .slice(0, 16)
}

function tooMany(
  running: readonly Interval[],
  latest: Interval,
  worldOf: (interval: Interval) => World,
  options: CheckOptions,
): Fault[] {
  const { runsPerWebServer = 3, siteVerifiesPerPlatform = 2 } = options
  const faults: Fault[] = []
  const now = running.filter(({ partOf }) => partOf === undefined)
  const busy = (what: string, limit: number, counts: (each: Interval) => boolean) => {
    const users = now.filter(counts)
    if (counts(latest) && users.length > limit) {
      faults.push({ kind: 'too-many', what, at: latest.start, running: users })
    }
  }
  for (const server of webServers(latest, worldOf(latest))) {
    busy(`server ${server}`, runsPerWebServer, (each) => webServers(each, worldOf(each)).includes(server))
  }
  const platform = worldOf(latest).sites.get(latest.rid)?.platform
  if (latest.type === 'verify' && platform !== undefined) {
    const verifies = (each: Interval) =>
      each.type === 'verify' && worldOf(each).sites.get(each.rid)?.platform === platform
    busy(`platform ${platform}`, siteVerifiesPerPlatform, verifies)
  }
  return faults
}

function webServers({ rid }: Interval, world: World): number[] {
  const server = world.platforms.get(world.sites.get(rid)?.platform ?? rid)?.webServer
  if (server === undefined) return world.servers.has(rid) ? [rid] : []
  const found = new Set([server])
  for (const nid of found) for (const member of world.servers.get(nid)?.members ?? []) found.add(member)
  return [...found]
}
