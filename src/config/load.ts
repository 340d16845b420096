import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { getDotPath, safeParse } from 'valibot'
import { ConfigError, type Fault } from './config-error.js'
import { describeSchema, type SectionDescription } from './describe-schema.js'
import { defaultConfigFile, homeDirectory, localConfigFile } from './find-config.js'
import { faultOfKey, faultOfSection, fromEnvironment } from './known-keys.js'
import { configSchema, type Config } from './schema.js'
import {
  FLAG,
  fromFlags,
  fromSettings,
  readConfigFile,
  SETTINGS_PAGE,
  type Flags,
  type Given,
  type Settings,
} from './sources.js'

export type { Flags, Settings }

export interface LoadOptions {
  /** skynet.conf; default `~/config/skynet/skynet.conf`. */
  file?: string | undefined
  environment: NodeJS.ProcessEnv
  flags?: Flags
  settings?: Settings
  /** Default: as the environment says, see `homeDirectory`. */
  home?: string
  /** Number of processors, for `max_load`. */
  cores?: number
  /** The user that the files must belong to; default the effective one. */
  uid?: number
}

export interface LoadedConfig {
  config: Config
  /** Path of skynet.conf, absolute; the file may be missing where `[database]` comes from elsewhere. */
  file: string
  /** The files that were read: skynet.conf, local.skynet.conf, both or none. */
  files: string[]
  /** For each `section.key`: `default`, `FILE:LINE`, `settings page`, `environment NAME` or `flag`. */
  origins: ReadonlyMap<string, string>
  /** Settings of the settings page that were ignored, a sentence each. */
  warnings: string[]
}

/**
 * The configuration in force: of each key a flag, else `SKYNET_<SECTION>_<KEY>`, else local.skynet.conf, else the
 * settings page, else skynet.conf, else the default. A value that is outranked must be right all the same.
 * Throws `ConfigError` with everything that is wrong.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { environment, flags = {}, settings = {} } = options
  const home = options.home ?? homeDirectory(environment)
  const file = resolve(options.file ?? defaultConfigFile(home))
  const uid = options.uid ?? process.geteuid?.() ?? -1

  const localFile = localConfigFile(file)
  const own = readConfigFile(file, uid)
  const local = readConfigFile(localFile, uid)
  const unsafe = withoutRepetition([...own.unsafe, ...local.unsafe])
  if (unsafe.length > 0) throw new ConfigError('CONFIG_UNSAFE', unsafe)

  const isCron = await cronCheck([...own.given, ...local.given, ...fromFlags(flags)])
  const schema = configSchema({ home, cores: options.cores ?? availableParallelism(), isCron })
  const sections = describeSchema(schema)
  const variables = fromEnvironment(sections, environment)
  const sources = [own.given, fromSettings(settings), local.given, variables.given, fromFlags(flags)]

  const { texts, origins, faults, warnings } = merge(sections, sources.flat())
  // A line that could not be read may hold the key that seems to be missing.
  const legible = own.faults.length + local.faults.length === 0
  faults.push(...own.faults, ...local.faults, ...variables.faults)
  const flagSections = Object.keys(flags).map((name) => ({ name, at: FLAG }))
  for (const { name, at } of [...own.sections, ...local.sections, ...flagSections]) {
    const message = faultOfSection(sections, name)
    if (message !== undefined) faults.push({ at, message })
  }

  const parsed = safeParse(schema, texts)
  const absent = (parsed.issues ?? [])
    .map((issue) => ({ name: getDotPath(issue) ?? '', message: issue.message }))
    .map(({ name, message }) => ({ name, message: `[${name.replace('.', '] ')} ${message}` }))
    .filter(({ name }) => !sources.flat().some(({ section, key }) => name === `${section}.${key}`))
    .map(({ message }) => ({ at: file, message }))
  if (own.missing && absent.length > 0) throw missing(file, faults, uid === 0 && options.file === undefined)
  if (legible) faults.push(...absent)
  if (faults.length > 0 || !parsed.success) throw invalid(file, faults)
  const files = [...(own.missing ? [] : [file]), ...(local.missing ? [] : [localFile])]
  return { config: parsed.output, file, files, origins, warnings }
}

/** The texts that win, from the source with the least say to the one with the most. */
function merge(sections: SectionDescription[], given: Given[]) {
  const texts: Record<string, Record<string, string>> = {}
  const origins = new Map(
    sections.flatMap(({ name: section, keys }) => keys.map(({ name: key }) => [`${section}.${key}`, 'default'])),
  )
  const faults: Fault[] = []
  const warnings: string[] = []
  for (const each of given) {
    const { section, key, text, at } = each
    if (faultOfSection(sections, section) !== undefined) continue
    const fault = faultOfKey(sections, each)
    if (fault === undefined) {
      texts[section] = { ...texts[section], [key]: text }
      origins.set(`${section}.${key}`, at)
    } else if (at === SETTINGS_PAGE) {
      warnings.push(`${at}: ${fault}; it is ignored`)
    } else {
      faults.push({ at, message: fault })
    }
  }
  return { texts, origins, faults, warnings }
}

let cron: Promise<typeof import('node-cron')> | undefined

/**
 * The parser of schedules; loaded only where there is one, because it costs a tenth of the start of a verb. A daemon
 * loads it beforehand, and it is kept here: asked again, the module loader might look for it on the disk.
 */
export const loadCron = () => (cron ??= import('node-cron'))

async function cronCheck(given: Given[]): Promise<(text: string) => boolean> {
  if (!given.some(({ section }) => section === 'schedule')) return () => true
  const { validate } = await loadCron()
  return (text) => validate(text)
}

/** Both files lie in one folder; what is wrong with it is said once. */
function withoutRepetition(faults: Fault[]): Fault[] {
  return faults.filter(({ message }, index) => faults.findIndex((other) => other.message === message) === index)
}

function missing(file: string, others: Fault[], isRootsOwn: boolean): ConfigError {
  const fault = { at: file, message: 'does not exist, and nothing else says which database to use' }
  const asRoot = isRootsOwn ? "Where Aegir is another user's than root's: sudo -u aegir -H skynet …\n" : ''
  return new ConfigError('CONFIG_MISSING', [fault, ...others], {
    remedy:
      asRoot +
      "Aegir's module hosting_skynet writes this file whenever the hostmaster site is verified: verify that site. " +
      'Without the module: copy config.example.ini to this place, with mode 0600 in a folder of mode 0700, and fill in ' +
      'db, user and passwd.',
  })
}

function invalid(file: string, faults: Fault[]): ConfigError {
  const inOrder = faults.toSorted((one, other) => one.at.localeCompare(other.at, 'en', { numeric: true }))
  return new ConfigError('CONFIG_INVALID', inOrder, {
    remedy: `Correct this, then see whether all is well: skynet config check --config_file ${file}`,
  })
}
