import { userInfo } from 'node:os'
import { parseDuration } from '../config/quantity.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { LOG_LEVELS } from '../observe/log-levels.js'
import { controlSocket } from './control-socket.js'
import { sayResult, type VerbResult } from './json-answer.js'
import type { VerbContext } from './program.js'

interface LogLevelOptions {
  config_file?: string
  for?: string
  json?: boolean
}

/** Longest time that `--for` takes, in milliseconds: a day. */
const LONGEST = 86_400_000

/** `skynet log-level LEVEL [--for 10m]`. @throws SkynetError */
export function logLevel(text: string, options: LogLevelOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, () => setLogLevel(text, options, environment))
}

async function setLogLevel(
  text: string,
  options: LogLevelOptions,
  environment: NodeJS.ProcessEnv,
): Promise<VerbResult> {
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
  return { answer: { level, configured, for_ms: forMs }, words: `The daemon logs at level ${level}${back}.` }
}

function badDuration(text = ''): SkynetError {
  return new SkynetError('USAGE', `--for takes a duration of at most a day, such as 10m, not “${text.slice(0, 40)}”.`)
}
