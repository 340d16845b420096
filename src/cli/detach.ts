import { spawn } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import { SkynetError } from '../config/skynet-error.js'

const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants

/**
 * Starts the daemon in a session of its own and waits until it leads or stands by.
 * @returns 0 then, else the daemon's own exit status after its words.
 */
export async function detach(file: string, argv: string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const words = argv.slice(1).filter((word) => word !== '--daemon')
  // Before there is anything that would be left behind: it fails where the configuration is wrong.
  const { stdout, name } = await openOutput(file, environment, argv.includes('--wait'))
  const folder = mkdtempSync(join(tmpdir(), 'skynet-'))
  const said = join(folder, 'stderr')
  const stderr = openSync(said, 'a', 0o600)
  try {
    const child = spawn(process.execPath, [...process.execArgv, ...words], {
      detached: true,
      stdio: ['ignore', stdout, stderr, 'ipc'],
      env: environment,
    })
    const outcome = await new Promise<{ ready: string } | { code: number }>((resolve) => {
      child.once('message', (message) => resolve(message as { ready: string }))
      child.once('exit', (code) => resolve({ code: code ?? 1 }))
      child.once('error', () => resolve({ code: 1 }))
    })
    process.stderr.write(readFileSync(said, 'utf8'))
    if ('code' in outcome) return outcome.code
    process.stdout.write(
      `skynet: ${outcome.ready === 'leader' ? 'leads' : 'stands by'}, process ${child.pid}, log ${name}\n`,
    )
    if (child.connected) child.disconnect()
    child.unref()
    return 0
  } finally {
    closeSync(stderr)
    closeSync(stdout)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Where a detached daemon's standard output goes: with no `[log] file`, into a file in the state directory. */
async function openOutput(
  file: string,
  environment: NodeJS.ProcessEnv,
  wait: boolean,
): Promise<{ stdout: number; name: string }> {
  try {
    const { config } = await loadConfig({ file, environment })
    if (config.log.file !== null) return { stdout: openSync('/dev/null', 'w'), name: config.log.file }
    mkdirSync(config.state.dir, { recursive: true, mode: 0o700 })
    const name = join(config.state.dir, 'skynet.log')
    return { stdout: openLogFile(name), name }
  } catch (error) {
    if (!wait) throw error
    return { stdout: openSync('/dev/null', 'w'), name: 'none (the configuration was not there yet; set [log] file)' }
  }
}

/** Not through a symbolic link that somebody planted there. */
function openLogFile(name: string): number {
  try {
    return openSync(name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  } catch (cause) {
    throw new SkynetError('CONFIG_INVALID', `The log file ${name} cannot be opened: ${(cause as Error).message}.`, {
      remedy: 'Remove it, or set [log] file to another place.',
      cause,
    })
  }
}
