import { closeSync, constants, fstatSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/* Files of the state directory. A symbolic link planted in the place of one is never followed. */

/** What the system answers when it is short of file descriptors or memory. */
const SHORTAGE = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** Whether an error says nothing of the file that was asked for: it may well be there. */
export function isShortage(error: unknown): boolean {
  return SHORTAGE.has((error as NodeJS.ErrnoException).code ?? '')
}

/** Reads a small regular file; `limit` in bytes. @throws the error of the file system, or EINVAL, EFBIG */
export function readPlainFile(file: string, limit: number): string {
  return readDatedFile(file, limit).text
}

/** As `readPlainFile`; `at`: when it was written last, in milliseconds since 1970. */
export function readDatedFile(file: string, limit: number): { text: string; at: number } {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' })
    if (stat.size > limit) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
    const buffer = Buffer.allocUnsafe(stat.size)
    return { text: buffer.toString('utf8', 0, readSync(fd, buffer)), at: Math.floor(stat.mtimeMs) }
  } finally {
    closeSync(fd)
  }
}

/** Writes a file beside its place, for this user alone, and renames it: a reader sees the old or the new one. */
export function replaceFile(file: string, text: string, beside = `${file}.new`): void {
  // `wx` follows no link that was planted there.
  const write = () => writeFileSync(beside, text, { mode: 0o600, flag: 'wx' })
  try {
    write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    // What a writer left there that died, or somebody planted, goes.
    rmSync(beside, { force: true })
    write()
  }
  renameSync(beside, file)
}

/** Fills an empty file that nobody reads yet. @throws the error of the file system */
export function overwrite(file: string, text: string): void {
  const fd = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    writeFileSync(fd, text)
  } finally {
    closeSync(fd)
  }
}
