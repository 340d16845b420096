import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from '../config/package-folder.js'
import { keepCompiledCode } from './compile-cache.js'

/** Starts the command line. @returns the exit status. */
export async function start(argv: string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }
  const [, , word = '', ...others] = argv
  process.stdout.on('error', endWithoutRoom)
  // Supervisors, doctors and scripts ask for it often: that needs neither verbs nor options.
  if (/^(--version|-V)$/.test(word) && others.length === 0) {
    process.stdout.write(`${version}\n`)
    return 0
  }
  // Of what cannot be said there nobody can be told.
  process.stderr.on('error', () => undefined)
  keepCompiledCode()
  const { main } = await import('./program.js')
  return main(argv, version)
}

/** `skynet status | head -1` is no failure: what nobody reads any more is not said, and that is all. A full disk is one. */
function endWithoutRoom(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.stderr.write(`skynet: the answer cannot be written: ${error.message}\n`)
  process.exit(1)
}
