import { userInfo } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { SkynetError } from './skynet-error.js'

/** HOME where it is an absolute path, else what the user database says. */
export function homeDirectory(environment: NodeJS.ProcessEnv): string {
  const home = environment['HOME']
  if (home !== undefined && isAbsolute(home)) return home
  try {
    return userInfo().homedir
  } catch (cause) {
    throw new SkynetError('CONFIG_MISSING', 'The home directory is not known: HOME is not set to an absolute path.', {
      remedy: 'Set HOME, or name the configuration file with --config_file.',
      cause,
    })
  }
}

/** Where the Drupal module writes the configuration. */
export const defaultConfigFile = (home: string): string => join(home, 'config', 'skynet', 'skynet.conf')

/** What an operator sets by hand, beside the file that the module writes: Aegir's habit for local overrides. */
export const localConfigFile = (file: string): string => join(dirname(file), 'local.skynet.conf')
