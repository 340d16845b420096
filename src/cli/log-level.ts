import { userInfo } from 'node:os'
import { parseDuration } from '../config/quantity.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { LOG_LEVELS } from '../observe/log-levels.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'

/** Longest time that `--for` takes, in milliseconds: a day. */
const LONGEST = 86_400_000

/** `skynet log-level LEVEL [--for 10m]`. @throws SkynetError */
export async function logLevel(
  text: string,
  options: { config_file?: string; for?: string },
  { environment }: VerbContext,
): Promise<number> {
  const level = LOG_LEVELS.find((known) => known === text)
  if (level === undefined) {
    throw new SkynetError('USAGE', `“${text.slice(0, 40)}” is no level of the log: ${LOG_LEVELS.join(', ')}.`)
  }
  const forMs = options.for === undefined ? null : parseDuration(options.for)
  if (forMs !== null && !(forMs >= 1 && forMs <= LONGEST)) throw badDuration(options.for)
  if (options.for !== undefined && forMs === null) throw badDuration(options.for)
  const socket = await controlSocket(options.config_file, environment)
  const question = { verb: 'log-level' as const, by: userInfo().username, level, for_ms: forMs }
  const { configured } = (await askDaemon(socket, question)) as { configured: string }
  const end =
    forMs === null ? 'until it is restarted, or the configuration says another one' : `for ${options.for ?? ''}`
  const back = level === configured ? '' : ` ${end}; then at ${configured} again`
  process.stdout.write(`The daemon logs at level ${level}${back}.\n`)
  return 0
}

function badDuration(text = ''): SkynetError {
  return new SkynetError('USAGE', `--for takes a duration of at most a day, such as 10m, not “${text.slice(0, 40)}”.`)
}
