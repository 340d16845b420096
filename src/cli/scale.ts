import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'

/** Sets the number of slots until the daemon is restarted; running tasks go on. @throws SkynetError */
export async function scale(text: string, options: { config_file?: string }, context: VerbContext): Promise<number> {
  const slots = wholeNumber(text, 256, 'the number of slots')
  const socket = await controlSocket(options.config_file, context.environment)
  const { running } = (await askDaemon(socket, { verb: 'scale', slots })) as { running: number }
  const more = running > slots ? `; ${running} are running and end in peace` : ''
  process.stdout.write(`${slots} ${slots === 1 ? 'slot' : 'slots'} until the next restart${more}.\n`)
  return 0
}

/** A word of the command line that has to be a whole number from 1. @throws SkynetError USAGE */
export function wholeNumber(text: string, most: number, what: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= 1 && value <= most) return value
  throw new SkynetError('USAGE', `“${text.slice(0, 40)}” is not ${what}: a whole number from 1 to ${most}.`)
}
