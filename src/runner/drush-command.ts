import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import { SkynetError } from '../config/skynet-error.js'
import { killGroup } from './kill-group.js'
import type { ChildSurroundings, DrushCommand } from './run-shell.js'

export interface DrushResult {
  /** null: a signal ended it. */
  code: number | null
  stdout: string
  stderr: string
  /** It took longer than it may, and was killed. */
  isLate: boolean
}

/** What is kept of each stream, in characters. */
const OUTPUT_LIMIT = 262_144

/**
 * Runs a drush command of the hostmaster site to its end, with this text on its standard input: what is in there stands
 * in no process list. @throws SkynetError when drush cannot be started
 */
export function runDrush(
  drush: DrushCommand,
  words: readonly string[],
  input: string,
  surroundings: ChildSurroundings,
  limitMs: number,
): Promise<DrushResult> {
  return new Promise((resolve, reject) => {
    // A session of its own: Ctrl-C ends who waits for it, and leaves nothing half done.
    const child = spawn(drush.command, [drush.alias, ...words], {
      cwd: surroundings.home,
      env: surroundings.environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const result: DrushResult = { code: null, stdout: '', stderr: '', isLate: false }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        result[name] = (result[name] + stripVTControlCharacters(text)).slice(-OUTPUT_LIMIT)
      })
    }
    const timer = setTimeout(() => {
      result.isLate = true
      killGroup(child.pid)
    }, limitMs)
    // A drush that fails early does not read what it is told.
    child.stdin.on('error', () => undefined).end(input)
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(
        new SkynetError('FAILED', `drush cannot be started: ${drush.command}: ${error.message}.`, {
          remedy: 'Set [drush] command to its absolute path in local.skynet.conf.',
          cause: error,
        }),
      )
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ ...result, code })
    })
  })
}
