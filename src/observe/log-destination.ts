import { closeSync, constants, openSync } from 'node:fs'
import { pino } from 'pino'

type SonicBoom = ReturnType<typeof pino.destination>

export interface LogDestination {
  stream: SonicBoom
  reopen: () => void
  flush: () => void
}

/**
 * Where log lines go. Neither a full disk nor a reader that went away may end the daemon: such an error is dropped
 * with the line that met it, and the next line is tried again. @throws the error of a file at a place where none can be
 */
export function destination(file: string | null): LogDestination {
  if (file !== null) requirePlace(file)
  const stream = pino.destination(
    file === null ? { dest: 1, sync: false } : { dest: file, sync: false, append: true, mkdir: false, mode: 0o600 },
  )
  stream.on('error', () => undefined)
  return {
    stream,
    reopen: () => {
      if (file !== null) stream.reopen()
    },
    flush: () => {
      try {
        stream.flushSync()
      } catch {
        // Not ready yet, or nowhere to write to: there is nobody left to tell.
      }
    },
  }
}

/** What is wrong with the path itself, and no matter of a disk that is full now or of a pipe that nobody reads yet. */
const WRONG_PLACE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EROFS'])

/** A file at a wrong place is a matter of the configuration; of the stream's own opening nobody would hear. */
function requirePlace(file: string): void {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants
  try {
    // Without waiting: a pipe opens only once somebody reads it.
    closeSync(openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600))
  } catch (error) {
    if (WRONG_PLACE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
