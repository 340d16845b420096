import { statSync } from 'node:fs'
import { join } from 'node:path'
import { SkynetError } from '../config/skynet-error.js'
import { stateDirectory } from '../config/state-directory.js'

/**
 * Where the daemon of this configuration answers. A configuration that is bad by now does not part a running daemon, which
 * goes on with the one before, from whoever has to steer it; but that only where it is the user's own one, since a file that
 * cannot be read does not say which daemon's it is. @throws SkynetError
 */
export async function controlSocket(file: string | undefined, environment: NodeJS.ProcessEnv): Promise<string> {
  const { directory, isSure } = stateDirectory(file, environment)
  const likely = directory && join(directory, 'control.sock')
  const isThere = likely !== undefined && isSocket(likely)
  if (isThere && isSure) return likely
  // Nobody answers there, or the configuration is not right: that is told by who knows all of it.
  const { loadConfig } = await import('../config/load.js')
  try {
    const { config } = await loadConfig({ file, environment })
    return join(config.state.dir, 'control.sock')
  } catch (error) {
    const isOwn = file === undefined && process.geteuid?.() !== 0
    if (!isThere || !isOwn || !(error instanceof SkynetError)) throw error
    process.stderr.write(
      `The configuration is not right; a daemon that runs goes on with the last good one.\n${error.message}\n`,
    )
    return likely
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket()
  } catch {
    return false
  }
}
