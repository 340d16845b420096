import type { Conditions } from '../observe/conditions.js'

/** What the state directory's disk may answer to a write; each of them may pass. */
const DISK_FAULTS = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EIO',
  'EACCES',
  'EPERM',
  'EMFILE',
  'ENFILE',
  'ENOENT',
  'ENOTDIR',
])

const NAME = 'state directory'

export function isDiskFault(error: unknown): error is NodeJS.ErrnoException {
  const { code, syscall } = error as NodeJS.ErrnoException
  return error instanceof Error && syscall !== undefined && code !== undefined && DISK_FAULTS.has(code)
}

/** Nothing is started that cannot be recorded, and what has ended keeps its slot until that is on disk. */
export function tellDiskFault(conditions: Conditions, error: unknown): void {
  conditions.begin(NAME, 'error', 'state directory cannot be written; nothing is started', { err: error })
}

export function endDiskFault(conditions: Conditions): void {
  conditions.end(NAME, 'state directory can be written again')
}
