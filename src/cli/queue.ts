import { loadConfig } from '../config/load.js'
import { SkynetError } from '../config/skynet-error.js'
import { printable } from '../observe/printable.js'
import { sayResult } from './json-answer.js'
import type { VerbContext } from './program.js'
import { queueThroughAegir } from './queueing/queue-through-aegir.js'
import { queuedResult, timeoutOf, type WaitOptions } from './queueing/queued-result.js'

export interface QueueOptions extends WaitOptions {
  config_file?: string
  json?: boolean
}

/** `skynet queue CONTEXT TYPE [name=value …]`. @returns the exit status; with `--wait` the task's. @throws SkynetError */
export function queue(
  context: string,
  type: string,
  given: string[],
  options: QueueOptions,
  { environment }: VerbContext,
): Promise<number> {
  return sayResult(options.json, async () => {
    timeoutOf(options)
    const task = { context: context.replace(/^@/, ''), type, arguments: argumentsOf(given) }
    const { config } = await loadConfig({ file: options.config_file, environment })
    const nid = await queueThroughAegir(config, task, environment)
    return queuedResult(config, nid, task, options)
  })
}

function argumentsOf(given: string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((word) => {
      const at = word.indexOf('=')
      if (at > 0) return [word.slice(0, at), word.slice(at + 1)]
      throw new SkynetError('USAGE', `“${printable(word).slice(0, 40)}” is no argument of a task: NAME=VALUE.`, {
        remedy: 'For example: skynet queue @blog.example.com backup description="before the update"',
      })
    }),
  )
}
