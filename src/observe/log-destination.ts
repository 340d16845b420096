import { pino, type DestinationStream } from 'pino'

type SonicBoom = ReturnType<typeof pino.destination>

export interface LogDestination {
  stream: SonicBoom
  /** Takes single lines: those of one moment, such as an end and the start that follows it, are written together. */
  lines: DestinationStream
  reopen: () => void
  flush: () => void
}

/**
 * Where log lines go. Neither a full disk nor a reader that went away may end the daemon: such an error is dropped
 * with the line that met it, and the next line is tried again.
 */
export function destination(file: string | null): LogDestination {
  const stream = pino.destination(
    file === null ? { dest: 1, sync: false } : { dest: file, sync: false, append: true, mkdir: false, mode: 0o600 },
  )
  stream.on('error', () => undefined)
  let gathered = ''
  const pass = (): void => {
    if (gathered !== '') stream.write(gathered)
    gathered = ''
  }
  const write = (line: string): void => {
    if (gathered === '') process.nextTick(pass)
    gathered += line
  }
  const flush = (): void => {
    try {
      pass()
      stream.flushSync()
    } catch {
      // Not ready yet, or nowhere to write to: there is nobody left to tell.
    }
  }
  process.once('exit', flush)
  return {
    stream,
    lines: { write },
    reopen: () => {
      if (file !== null) stream.reopen()
    },
    flush,
  }
}
