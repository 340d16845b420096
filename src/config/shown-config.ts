import { describeConfig, type KeyDescription } from './describe-schema.js'
import { writeIniValue } from './ini-file.js'
import type { LoadedConfig } from './load.js'
import { formatDuration, formatSize } from './quantity.js'

/** Stands for every secret, of whatever length. */
export const MASK = '********'

/** One key of the configuration in force, fit to be shown to anyone. */
export interface ShownKey {
  section: string
  key: string
  /** As in `Config`: milliseconds, bytes, absolute paths; null where nothing is set. A secret is `MASK`. */
  value: string | number | boolean | null | string[]
  /** As skynet.conf writes it. */
  text: string
  /** As in `LoadedConfig.origins`. */
  origin: string
}

/** The configuration in force, in the order of the schema. */
export function shownConfig({ config, origins }: LoadedConfig): ShownKey[] {
  return describeConfig().flatMap(({ name: section, keys }) => {
    const values = Object.entries<ShownKey['value']>(config[section as keyof typeof config])
    return values.map(([key, value]) => {
      const known = keys.find(({ name }) => name === key)
      const origin = origins.get(`${section}.${key}`) ?? 'default'
      if (known?.secret) return { section, key, value: MASK, text: MASK, origin }
      return { section, key, value, text: valueText(value, known), origin }
    })
  })
}

function valueText(value: ShownKey['value'], known: KeyDescription | undefined): string {
  switch (typeof value) {
    case 'number':
      if (known?.unit === 'duration') return formatDuration(value)
      return known?.unit === 'size' ? formatSize(value) : String(value)
    case 'boolean':
      return value ? 'yes' : 'no'
    case 'string':
      return writeIniValue(value)
    default:
      if (Array.isArray(value)) return value.join(', ')
      // null is what the word none or auto stands for, and where null is possible it is the default.
      return known?.fallback ?? 'none'
  }
}
