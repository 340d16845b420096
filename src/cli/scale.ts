import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { controlSocket } from './control-socket.js'
import { sayResult } from './json-answer.js'
import type { VerbContext } from './program.js'

interface ScaleOptions {
  config_file?: string
  json?: boolean
}

/** Sets the number of slots until the daemon is restarted; running tasks go on. @throws SkynetError */
export function scale(text: string, options: ScaleOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const slots = wholeNumber(text, 256, 'the number of slots')
    const socket = await controlSocket(options.config_file, environment)
    const { running } = (await askDaemon(socket, { verb: 'scale', slots })) as { running: number }
    const more = running > slots ? `; ${running} are running and end in peace` : ''
    const words = `${slots} ${slots === 1 ? 'slot' : 'slots'} until the next restart${more}.`
    return { answer: { slots, running }, words }
  })
}

/** A word of the command line that has to be a whole number from 1. @throws SkynetError USAGE */
export function wholeNumber(text: string, most: number, what: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= 1 && value <= most) return value
  throw new SkynetError('USAGE', `“${text.slice(0, 40)}” is not ${what}: a whole number from 1 to ${most}.`)
}
