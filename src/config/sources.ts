import type { Fault } from './config-error.js'
import { readIni } from './ini-file.js'
import { readPrivateFile } from './permissions.js'
import type { Config, Section } from './schema.js'

/** One text for one key, and who says so. */
export interface Given {
  section: string
  key: string
  text: string
  /** As in `LoadedConfig.origins`. */
  at: string
}

/** Texts of the command line, in the form of the file. The password has no flag: `ps` would show it. */
export type Flags = { [S in Section]?: Partial<Record<Exclude<keyof Config[S], 'passwd'>, string | undefined>> }

/** What the daemon read of the Drupal variables `hosting_skynet_*`, in whatever form they were stored. */
export interface Settings {
  concurrent_tasks?: unknown
  log_level?: unknown
  /** A bare number is seconds. */
  heartbeat_interval?: unknown
}

export const SETTINGS_PAGE = 'settings page'
export const FLAG = 'flag'

export interface ConfigFile {
  missing: boolean
  given: Given[]
  /** Every section's head, also of those without keys. */
  sections: { name: string; at: string }[]
  faults: Fault[]
  /** Others could read or change the file. */
  unsafe: Fault[]
}

export function readConfigFile(path: string, uid: number): ConfigFile {
  const nothing: ConfigFile = { missing: false, given: [], sections: [], faults: [], unsafe: [] }
  const file = readPrivateFile(path, uid)
  switch (file.state) {
    case 'missing':
      return { ...nothing, missing: true }
    case 'unsafe':
      return { ...nothing, unsafe: file.faults.map((message) => ({ at: path, message })) }
    case 'unreadable':
      return { ...nothing, faults: [{ at: path, message: file.fault }] }
    case 'read': {
      if (!file.bytes.some((byte) => byte > 0x20)) {
        return { ...nothing, faults: [{ at: path, message: 'is empty; perhaps it is being written just now' }] }
      }
      const at = (line: number) => (line === 0 ? path : `${path}:${line}`)
      const { entries, sections, faults } = readIni(file.bytes)
      return {
        ...nothing,
        given: entries.map(({ section, key, value, line }) => ({ section, key, text: value, at: at(line) })),
        sections: [...sections].map(([name, line]) => ({ name, at: at(line) })),
        faults: faults.map(({ line, message }) => ({ at: at(line), message })),
      }
    }
  }
}

export function fromFlags(flags: Flags): Given[] {
  return Object.entries(flags).flatMap(([section, keys]) =>
    Object.entries<string | undefined>(keys).flatMap(([key, text]) =>
      text === undefined ? [] : [{ section, key, text, at: FLAG }],
    ),
  )
}

export function fromSettings({ concurrent_tasks, log_level, heartbeat_interval }: Settings): Given[] {
  const interval = settingText(heartbeat_interval)
  const texts = [
    { section: 'queue', key: 'concurrent_tasks', text: settingText(concurrent_tasks) },
    { section: 'log', key: 'level', text: settingText(log_level) },
    { section: 'queue', key: 'heartbeat_interval', text: /^\d+$/.test(interval) ? `${interval}s` : interval },
  ]
  // An emptied field of the settings page means: not set.
  return texts.filter(({ text }) => text !== '').map((given) => ({ ...given, at: SETTINGS_PAGE }))
}

function settingText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : `a ${typeof value}`
}
