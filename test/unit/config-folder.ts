import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ConfigError } from '../../src/config/config-error.js'
import { loadConfig, type LoadedConfig, type LoadOptions } from '../../src/config/load.js'

/** A `[database]` that is right, three lines long. */
export const DATABASE = '[database]\ndb=hm\nuser=aegir\npasswd="p;w"\n'

/** A private folder of one test, removed at its end, with the configuration in it. */
export interface ConfigFolder {
  path: string
  file: string
  localFile: string
  /** Writes a file of mode 0600 into it. */
  write: (name: string, content: string | Uint8Array) => string
  load: (options?: Partial<LoadOptions>) => Promise<LoadedConfig>
  /** The lines of the error, with the folder's path taken away. */
  faults: (options?: Partial<LoadOptions>) => Promise<string[]>
}

export function configFolder(t: TestContext, files: Record<string, string | Uint8Array> = {}): ConfigFolder {
  const path = mkdtempSync(join(tmpdir(), 'skynet-config-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  const folder: ConfigFolder = {
    path,
    file: join(path, 'skynet.conf'),
    localFile: join(path, 'local.skynet.conf'),
    write(name, content) {
      const file = join(path, name)
      writeFileSync(file, content)
      chmodSync(file, 0o600)
      return file
    },
    load: (options = {}) =>
      loadConfig({
        file: folder.file,
        environment: {},
        home: '/home/aegir',
        cores: 4,
        ...options,
      }),
    faults: (options) => folder.load(options).then(() => [], linesOf(path)),
  }
  for (const [name, content] of Object.entries(files)) folder.write(name, content)
  return folder
}

const linesOf = (path: string) => (error: unknown) => {
  if (!(error instanceof ConfigError)) throw error
  return error.message.replaceAll(`${path}/`, '').split('\n')
}
