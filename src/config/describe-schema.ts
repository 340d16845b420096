import { z } from 'zod'
import { configSchema, keyHelp, type ConfigSchema, type KeyHelp } from './schema.js'

/** A key of the schema, as the reading of the files, the reference and `config show` need it. */
export interface KeyDescription extends KeyHelp {
  name: string
  /** Text of the default; undefined where the key must be given. */
  fallback: string | undefined
  /** Reads one text. */
  type: z.ZodType
}

export interface SectionDescription {
  name: string
  help: string
  keys: KeyDescription[]
  /** In place of keys where the names are free. */
  free: { name: z.ZodType; value: z.ZodType } | undefined
}

/** Everything that the schema knows, by section, in its own order. */
export function describeSchema(schema: ConfigSchema): SectionDescription[] {
  return Object.entries(schema.shape).map(([name, prefault]): SectionDescription => {
    const section = prefault.unwrap()
    const help = keyHelp.get(section)?.help ?? ''
    return section instanceof z.ZodObject
      ? {
          name,
          help,
          keys: Object.entries<z.ZodType>(section.shape).map(([key, type]) => describeKey(key, type)),
          free: undefined,
        }
      : { name, help, keys: [], free: { name: section.keyType, value: section.valueType } }
  })
}

/** The same where no value is read: names, help and defaults do not depend on the machine. */
export const describeConfig = (): SectionDescription[] =>
  describeSchema(configSchema({ home: '/', cores: 1, isCron: () => true, timeZone: 'UTC' }))

function describeKey(name: string, type: z.ZodType): KeyDescription {
  const fallback = type instanceof z.ZodPrefault ? String(type.def.defaultValue) : undefined
  const help: KeyHelp = keyHelp.get(type) ?? { help: '' }
  return { ...help, name, fallback, type }
}
