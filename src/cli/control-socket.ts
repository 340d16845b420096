import { statSync } from 'node:fs'
import { join } from 'node:path'
import { stateDirectory } from '../config/state-directory.js'

/** Where the daemon of this configuration answers. @throws SkynetError */
export async function controlSocket(file: string | undefined, environment: NodeJS.ProcessEnv): Promise<string> {
  const directory = stateDirectory(file, environment)
  const likely = directory && join(directory, 'control.sock')
  if (likely && statSync(likely, { throwIfNoEntry: false })?.isSocket()) return likely
  // Nobody answers there, or the configuration is not right: that is told by who knows all of it.
  const { loadConfig } = await import('../config/load.js')
  const { config } = await loadConfig({ file, environment })
  return join(config.state.dir, 'control.sock')
}
