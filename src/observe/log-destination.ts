import { closeSync, openSync } from 'node:fs'
import { pino } from 'pino'

type SonicBoom = ReturnType<typeof pino.destination>

export interface LogDestination {
  stream: SonicBoom
  reopen: () => void
  flush: () => void
}

/**
 * Where log lines go. Neither a full disk nor a reader that went away may end the daemon: such an error is dropped
 * with the line that met it, and the next line is tried again. @throws the error of a file that cannot be opened
 */
export function destination(file: string | null): LogDestination {
  // A file that cannot be opened at all is a matter of the configuration; of the stream's own opening nobody would hear.
  if (file !== null) closeSync(openSync(file, 'a', 0o600))
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
