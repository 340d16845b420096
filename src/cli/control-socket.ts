import { join } from 'node:path'
import { loadConfig } from '../config/load.js'

/** Where the daemon of this configuration answers. @throws SkynetError */
export async function controlSocket(file: string | undefined, environment: NodeJS.ProcessEnv): Promise<string> {
  const { config } = await loadConfig({ file, environment })
  return join(config.state.dir, 'control.sock')
}
