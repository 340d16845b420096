import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'

/**
 * The file holds the password of Aegir's database, so it must be for its user alone: mode 0600 in a folder of mode
 * 0700, both owned by the user that Skynet runs as. What is checked is the opened file itself, not its name: between a
 * check by name and the reading, the name could come to mean another file.
 */

export type PrivateFile =
  | { state: 'missing' }
  | { state: 'read'; bytes: Uint8Array }
  /** Others could read or change it; each fault names the command that mends it. */
  | { state: 'unsafe'; faults: string[] }
  | { state: 'unreadable'; fault: string }

/** More than any configuration; less than what would be felt in memory. */
const LARGEST = 64 * 1024

const OTHERS = 0o077

/** Reads a file that must be private to the user `uid`. */
export function readPrivateFile(path: string, uid: number): PrivateFile {
  let fd: number
  try {
    // Not blocking: a named pipe would otherwise hold the daemon until somebody writes to it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return notOpened(path, uid, error)
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) return { state: 'unreadable', fault: `is ${stats.isDirectory() ? 'a folder' : 'not a file'}` }
    const faults = [...ownerFaults(path, stats, uid), ...modeFaults(path, stats, '600'), ...folderFaults(path, uid)]
    if (faults.length > 0) return { state: 'unsafe', faults }
    if (stats.size > LARGEST) return { state: 'unreadable', fault: 'is larger than 64 KiB: not a configuration' }
    return { state: 'read', bytes: readFileSync(fd) }
  } catch (error) {
    return { state: 'unreadable', fault: `cannot be read: ${errorText(error)}` }
  } finally {
    closeSync(fd)
  }
}

function notOpened(path: string, uid: number, error: unknown): PrivateFile {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') {
    const target = linkTarget(path)
    if (target === null) return { state: 'missing' }
    return { state: 'unreadable', fault: `is a link to ${quoted(target)}, which does not exist` }
  }
  if (code === 'EACCES') {
    try {
      const stats = statSync(path)
      const faults = ownerFaults(path, stats, uid)
      if (faults.length > 0) return { state: 'unsafe', faults }
      return { state: 'unreadable', fault: `cannot be read: its mode is ${octal(stats)}; mend: ${chmod('600', path)}` }
    } catch {
      // Not even its folder may be looked into: the general answer below.
    }
    return {
      state: 'unreadable',
      fault: `cannot be read by user id ${uid}: permission denied; is this the right user?`,
    }
  }
  return { state: 'unreadable', fault: `cannot be read: ${errorText(error)}` }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

function folderFaults(path: string, uid: number): string[] {
  const folder = dirname(path)
  const stats = statSync(folder)
  return [...ownerFaults(folder, stats, uid), ...modeFaults(folder, stats, '700')]
}

function ownerFaults(path: string, stats: Stats, uid: number): string[] {
  if (stats.uid === uid) return []
  const who = `${named(path, stats)}belongs to user id ${stats.uid}, but Skynet runs as user id ${uid}`
  return uid === 0
    ? [
        `${who} (root); run it as the owner: sudo -u '#${stats.uid}' skynet …   (only where the daemon itself runs as root, in a container: chown 0 ${quoted(path)})`,
      ]
    : [`${who}; mend: sudo chown ${uid} ${quoted(path)}`]
}

function modeFaults(path: string, stats: Stats, mode: '600' | '700'): string[] {
  if ((stats.mode & OTHERS) === 0) return []
  return [`${named(path, stats)}has mode ${octal(stats)}, which lets other users in; mend: ${chmod(mode, path)}`]
}

const named = (path: string, stats: Stats) => (stats.isDirectory() ? `its folder ${quoted(path)} ` : '')
const octal = (stats: Stats) => (stats.mode & 0o7777).toString(8).padStart(4, '0')
const chmod = (mode: string, path: string) => `chmod ${mode} ${quoted(path)}`
const errorText = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
