import { resolve } from 'node:path'
import { defaultConfigFile, homeDirectory, localConfigFile } from './find-config.js'
import { readPath } from './path-value.js'
import { readConfigFile } from './sources.js'

export const DEFAULT_STATE_DIR = '~/config/skynet/state'

/**
 * `[state] dir` without a look at any other key: a verb that only asks the daemon needs nothing else, and the schema of
 * all keys takes half of its time. Not sure where something is wrong with the files, and undefined where it is with this key:
 * then who asks has to load the configuration, and is told what.
 */
export function stateDirectory(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): { directory: string | undefined; isSure: boolean } {
  const home = homeDirectory(environment)
  const own = resolve(file ?? defaultConfigFile(home))
  const files = [own, localConfigFile(own)].map((path) => readConfigFile(path, process.geteuid?.() ?? -1))
  const isSure = !files[0]?.missing && files.every(({ unsafe, faults }) => unsafe.length + faults.length === 0)
  const written = files
    .flatMap(({ given }) => given)
    .findLast(({ section, key }) => section === 'state' && key === 'dir')
  const reading = readPath(environment['SKYNET_STATE_DIR'] ?? written?.text ?? DEFAULT_STATE_DIR, home)
  return { directory: 'value' in reading ? reading.value : undefined, isSure }
}
