import type { Footprint } from './locks.js'

/** Task types by the kind of object that may be broken off, because running them again puts all right. */
const SAFE: Record<Footprint['object'], ReadonlySet<string>> = {
  site: new Set([
    'verify',
    'import',
    'disable',
    'enable',
    'login-reset',
    'backup',
    'backup-delete',
    'flush_cache',
    'rebuild_registry',
    'run_cron',
  ]),
  platform: new Set(['verify', 'lock', 'unlock', 'delete']),
  server: new Set(['verify', 'delete']),
  unknown: new Set(),
}

/**
 * Whether a task of this type may be broken off without harm. What an install, a migrate, a clone, a restore, a sync or
 * the deletion of a site has begun is half done for good; of a type that nobody here knows the same is taken.
 */
export function isSafeToInterrupt(type: string, object: Footprint['object']): boolean {
  return SAFE[object].has(type)
}
