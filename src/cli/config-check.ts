import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../config/config-error.js'
import { loadConfig, type Flags } from '../config/load.js'
import { SkynetError } from '../config/skynet-error.js'

export interface ConfigVerbOptions {
  /** skynet.conf; default `~/config/skynet/skynet.conf`. */
  file?: string | undefined
  json?: boolean | undefined
  flags?: Flags
}

/** What a verb touches of its surroundings. `out` and `err` get whole texts that end in a newline. */
export interface VerbIo {
  out: (text: string) => void
  err: (text: string) => void
  environment: NodeJS.ProcessEnv
  /** Default: as the environment says. */
  home?: string
}

/** `skynet config check`: whether the configuration is right; returns the exit status. */
export async function configCheck(options: ConfigVerbOptions, io: VerbIo): Promise<number> {
  const loaded = await loadConfigOrReport(options, io)
  if (typeof loaded === 'number') return loaded
  const { file, files, config, origins } = loaded
  const fault = config.log.file === null ? undefined : faultOfLogFile(config.log.file)
  if (fault !== undefined) {
    const error = new ConfigError(
      'CONFIG_INVALID',
      [{ at: origins.get('log.file') ?? file, message: `[log] file ${fault}` }],
      {
        remedy: 'Make its folder, let the daemon write there, or set [log] file to another place.',
      },
    )
    return report(error, options, io)
  }
  if (options.json) io.out(`${JSON.stringify({ ok: true, file, files, faults: [] })}\n`)
  else
    io.out(
      `The configuration is right: ${files.length > 0 ? files.join(', ') : `${file} is missing, and not needed`}\n`,
    )
  return 0
}

/** The configuration, or the exit status after having said what is wrong with it. */
export async function loadConfigOrReport({ file, json, flags = {} }: ConfigVerbOptions, io: VerbIo) {
  try {
    const { environment, home } = io
    return await loadConfig({ file, flags, environment, ...(home === undefined ? {} : { home }) })
  } catch (error) {
    if (!(error instanceof SkynetError)) throw error
    return report(error, { json }, io)
  }
}

function report(error: SkynetError, { json }: Pick<ConfigVerbOptions, 'json'>, io: VerbIo): number {
  const { code, message, remedy = null, exitStatus } = error
  const faults = error instanceof ConfigError ? error.faults : [{ at: null, message }]
  if (json) io.out(`${JSON.stringify({ ok: false, code, faults, remedy })}\n`)
  else io.err(`${message}\n${remedy === null ? '' : `\n${remedy}\n`}`)
  return exitStatus
}

/** Why the daemon could not append to it, as far as that can be told without making the file. */
function faultOfLogFile(file: string): string | undefined {
  try {
    const stats = statSync(file, { throwIfNoEntry: false })
    if (stats?.isDirectory()) return 'is a folder'
    accessSync(stats ? file : dirname(file), constants.W_OK)
    return undefined
  } catch (error) {
    return `cannot be opened: ${(error as Error).message}`
  }
}
