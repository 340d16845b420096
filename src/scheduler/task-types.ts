/** What a task of a site takes besides its site, platform and servers; the words are explained at `SITE_TASKS`. */
export type SiteNeed =
  | 'X(everything)'
  | 'X(platform)'
  | 'X(target platform)'
  | 'S(new db server)'
  | 'X(database)'
  | 'X(new database)'
  | 'X(spare database)'
  | 'X(new spare database)'
  | 'S(spare database)'
  | 'S(new spare database)'
  | 'S(source)'

const nothing: readonly SiteNeed[] = []

/**
 * Which tasks disturb which. S is shared, X exclusive; two tasks disturb each other when both need the same thing and
 * not both share it.
 *
 * Every task of a site takes X(site), S(platform), S(web server), S(db server); the row says what it takes besides.
 * A server that is a cluster or a pack always stands for its members too.
 *
 *   database         database server + the 16 characters that provision makes of the uri
 *   spare database   database server + the 14 characters that provision counts on from while the 16 are in use:
 *                    always so for a restore and a migrate, because the database they replace still exists
 *   new …            the same for the arguments new_uri and new_db_server
 *   target platform  the argument target_platform, and S(its web server)
 *   source           the argument source, and S(its servers)
 */
export const SITE_TASKS: ReadonlyMap<string, readonly SiteNeed[]> = new Map<string, readonly SiteNeed[]>([
  ['verify', nothing],
  ['import', nothing],
  ['disable', nothing],
  ['enable', nothing],
  ['login-reset', nothing],
  ['backup-delete', nothing],
  ['flush_cache', nothing],
  ['rebuild_registry', nothing],
  ['run_cron', nothing],
  ['backup', nothing],
  ['delete', nothing],
  ['update', nothing],
  ['install', ['X(database)', 'S(spare database)']],
  ['restore', ['X(database)', 'X(spare database)']],
  ['clone', ['X(platform)', 'X(target platform)', 'S(new db server)', 'X(new database)', 'S(new spare database)']],
  [
    'migrate',
    [
      'X(platform)',
      'X(target platform)',
      'S(new db server)',
      'X(database)',
      'X(new database)',
      'X(new spare database)',
    ],
  ],
  ['sync', ['S(source)']],
])

/** The types of this table whose needs depend on the task's arguments. */
export const NEEDS_ARGUMENTS: ReadonlySet<string> = new Set(['clone', 'migrate', 'sync'])

/** The hostmaster site is a site like others, but its verify rewrites drush's own configuration and clears its caches. */
export const HOSTMASTER_VERIFY: readonly SiteNeed[] = ['X(everything)']

/** They take X(platform), S(web server). */
export const PLATFORM_TASKS: ReadonlySet<string> = new Set(['verify', 'lock', 'unlock', 'delete'])

/** They take X(server), and so keep away everything that is on it. */
export const SERVER_TASKS: ReadonlySet<string> = new Set(['verify', 'delete'])

// Anything else on a known object: X(object), X(its platform), X(its servers).
// An unknown object, or an argument that names nothing known: X(everything).

/** The words that `[locks]` in skynet.conf may use: what a contributed task type takes exclusively. */
export const LOCK_WORDS = ['site', 'platform', 'web_server', 'db_server', 'database', 'everything'] as const

export type LockWord = (typeof LOCK_WORDS)[number]

/** Contributed task types and what each takes exclusively: its own object in any case, the others of its chain it shares. */
export type ExtraTypes = ReadonlyMap<string, readonly LockWord[]>

/** Whether the tables above know the type: such a type cannot be given other locks. */
export function isKnownType(type: string): boolean {
  return SITE_TASKS.has(type) || PLATFORM_TASKS.has(type) || SERVER_TASKS.has(type)
}

/** Those that the tables above know; contributed modules bring others. */
export function knownTypes(): string[] {
  return [...new Set([...SITE_TASKS.keys(), ...PLATFORM_TASKS, ...SERVER_TASKS])]
}

/** Tasks for which a person sits and waits. */
export const INTERACTIVE_TYPES: ReadonlySet<string> = new Set([
  'login-reset',
  'backup-delete',
  'disable',
  'enable',
  'flush_cache',
  'rebuild_registry',
  'run_cron',
])
