import type { GenericSchema } from 'valibot'
import { configSchema, keyHelp, type ConfigSchema, type KeyHelp } from './schema.js'

/** A key of the schema, as the reading of the files, the reference and `config show` need it. */
export interface KeyDescription extends KeyHelp {
  name: string
  /** Text of the default; undefined where the key must be given. */
  fallback: string | undefined
  /** Reads one text. */
  type: GenericSchema
}

export interface SectionDescription {
  name: string
  help: string
  keys: KeyDescription[]
  /** In place of keys where the names are free. */
  free: { name: GenericSchema; value: GenericSchema } | undefined
}

/** Everything that the schema knows, by section, in its own order. */
export function describeSchema(schema: ConfigSchema): SectionDescription[] {
  return Object.entries(schema.entries).map(([name, { wrapped: section }]): SectionDescription => {
    const help = keyHelp.get(section)?.help ?? ''
    return section.type === 'object'
      ? {
          name,
          help,
          keys: Object.entries<GenericSchema>(section.entries).map(([key, type]) => describeKey(key, type)),
          free: undefined,
        }
      : { name, help, keys: [], free: { name: section.key, value: section.value } }
  })
}

/** The same where no value is read: names, help and defaults do not depend on the machine. */
export const describeConfig = (): SectionDescription[] =>
  describeSchema(configSchema({ home: '/', cores: 1, isCron: () => true }))

function describeKey(name: string, type: GenericSchema): KeyDescription {
  const fallback = 'default' in type ? String(type.default) : undefined
  const help: KeyHelp = keyHelp.get(type) ?? { help: '' }
  return { ...help, name, fallback, type }
}
