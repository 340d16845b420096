import { userInfo } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import { askDaemon } from '../daemon/control-client.js'
import { sayResult } from './json-answer.js'
import type { VerbContext } from './program.js'

interface ReloadOptions {
  config_file?: string
  json?: boolean
}

/**
 * `skynet reload`: the daemon reads its configuration again and opens its log anew. A bad configuration is refused here,
 * where somebody sees it. @throws SkynetError
 */
export function reload(options: ReloadOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const { config, warnings } = await loadConfig({ file: options.config_file, environment })
    for (const warning of warnings) process.stderr.write(`${warning}\n`)
    await askDaemon(join(config.state.dir, 'control.sock'), { verb: 'reload', by: userInfo().username })
    return { answer: {}, words: 'The daemon reads the configuration again and opens its log anew.' }
  })
}
