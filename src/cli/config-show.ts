import { shownConfig, type ShownKey } from '../config/shown-config.js'
import { loadConfigOrReport, type ConfigVerbOptions, type VerbIo } from './config-check.js'

/** `skynet config show`: every value in force and where it comes from, secrets masked; returns the exit status. */
export async function configShow(options: ConfigVerbOptions, io: VerbIo): Promise<number> {
  const loaded = await loadConfigOrReport(options, io)
  if (typeof loaded === 'number') return loaded
  const keys = shownConfig(loaded)
  io.out(options.json ? asJson(loaded.file, keys) : asTable(keys))
  return 0
}

function asJson(file: string, keys: ShownKey[]): string {
  const sections: Record<string, Record<string, Pick<ShownKey, 'value' | 'origin'>>> = {}
  for (const { section, key, value, origin } of keys) (sections[section] ??= {})[key] = { value, origin }
  return `${JSON.stringify({ file, config: sections })}\n`
}

/** As the file would have it, with the origin of each value behind it. */
function asTable(keys: ShownKey[]): string {
  const width = Math.max(...keys.map(({ key, text }) => `${key} = ${text}`.length))
  let before = ''
  return keys
    .map(({ section, key, text, origin }) => {
      const head = section === before ? '' : `${before === '' ? '' : '\n'}[${section}]\n`
      before = section
      return `${head}${`${key} = ${text}`.padEnd(width)}  (${origin})\n`
    })
    .join('')
}
