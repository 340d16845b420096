import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino'
import { destination, type LogDestination } from './log-destination.js'

export type { Logger }

export interface LogSettings {
  level: string
  /** `auto`: pretty on a terminal, else JSON. */
  format: 'auto' | 'pretty' | 'json'
  /** null: standard output. */
  file: string | null
}

export interface DaemonLog {
  logger: Logger
  /** Opens the file anew, after somebody (logrotate) moved it away. */
  reopen: () => void
  /** Writes what is still in memory; for the last moment of a process. */
  flush: () => void
}

/**
 * The daemon's log: one JSON object a line, constant messages, everything that varies in fields. It lives in this
 * process (no worker thread), so that it works when the package has been replaced underneath.
 */
export async function openLog(settings: LogSettings, isTerminal: boolean): Promise<DaemonLog> {
  const target: LogDestination = destination(settings.file)
  const isPretty = settings.format === 'pretty' || (settings.format === 'auto' && settings.file === null && isTerminal)
  const stream = isPretty ? await prettyStream(target.stream, isTerminal) : target.stream
  const logger = pino(
    {
      level: settings.level,
      // No pid of ours on every line: `pid` is the run's, and the first line says whose log this is.
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    stream,
  )
  return { logger, reopen: target.reopen, flush: target.flush }
}

/** Loads what makes lines pretty only where they are to be: it is a tenth of all the files that a daemon would load. */
async function prettyStream(destination: DestinationStream, isTerminal: boolean): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    destination,
    colorize: isTerminal && process.env['NO_COLOR'] === undefined,
    ignore: 'hostname',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  })
}

/**
 * Of an error its name, code, message and causes. Drivers hang the statement, its values and the connection's settings
 * on theirs, and the password is one of those.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  const { type, message, stack } = stdSerializers.err(new Error(error.message))
  const { code } = error as Error & { code?: unknown }
  return {
    type: error.name === 'Error' ? type : error.name,
    ...(code === undefined ? {} : { code }),
    message,
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
    ...(code === undefined && error.name !== 'DatabaseError' ? { stack: error.stack ?? stack } : {}),
  }
}
