import { userInfo } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import { askDaemon } from '../daemon/control-client.js'
import type { VerbContext } from './program.js'

/**
 * `skynet reload`: the daemon reads its configuration again and opens its log anew. A bad configuration is refused here,
 * where somebody sees it. @throws SkynetError
 */
export async function reload(options: { config_file?: string }, { environment }: VerbContext): Promise<number> {
  const { config, warnings } = await loadConfig({ file: options.config_file, environment })
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
  await askDaemon(join(config.state.dir, 'control.sock'), { verb: 'reload', by: userInfo().username })
  process.stdout.write('The daemon reads the configuration again and opens its log anew.\n')
  return 0
}
