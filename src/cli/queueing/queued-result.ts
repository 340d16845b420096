import { join } from 'node:path'
import type { Config } from '../../config/schema.js'
import { SkynetError } from '../../config/skynet-error.js'
import { parseDuration } from '../../config/quantity.js'
import { askDaemon } from '../../daemon/control-client.js'
import { printable } from '../../observe/printable.js'
import type { VerbResult } from '../json-answer.js'
import { duration } from '../duration.js'
import type { TaskDescription } from './queue-through-aegir.js'
import { waitForTask } from './wait-for-task.js'

export interface WaitOptions {
  wait?: boolean
  timeout?: string
}

/** Milliseconds; null: as long as it takes. @throws SkynetError USAGE */
export function timeoutOf({ wait, timeout }: WaitOptions): number | null {
  if (timeout === undefined) return null
  const ms = parseDuration(timeout)
  if (ms === null || ms < 1) {
    throw new SkynetError('USAGE', `--timeout takes a duration, such as 30m, not “${timeout.slice(0, 40)}”.`)
  }
  if (!wait) throw new SkynetError('USAGE', '--timeout goes with --wait: it is how long to wait at most.')
  return ms
}

/** What `skynet queue` and `skynet retry` say of the task that they have queued; with `--wait`, when it has ended. */
export async function queuedResult(
  config: Config,
  nid: number,
  { context, type }: TaskDescription,
  options: WaitOptions,
): Promise<VerbResult> {
  const about = { nid, type: printable(type), object: printable(context) }
  const name = `Task ${nid} (${about.type} ${about.object})`
  if (!options.wait) {
    if (!(await daemonAnswers(config))) {
      process.stderr.write('The daemon is not running: the task waits until it is. Start it with: skynet queued\n')
    }
    return { answer: { ...about, status: 'queued', took_ms: null }, words: `${name} is queued.` }
  }
  const end = await waitForTask(config, nid, name, timeoutOf(options))
  const answer = { ...about, status: end.status, took_ms: end.tookMs }
  const took = end.tookMs === null ? '' : ` after ${duration(end.tookMs)}`
  switch (end.status) {
    case 'success':
      return { answer, words: `${name} has succeeded${took}.` }
    case 'warning':
      return { answer, words: `${name} has ended with a warning${took}.` }
    case 'error':
      return { answer, words: `${name} has failed${took}${end.error === '' ? '.' : `: ${end.error}`}`, status: 1 }
    case 'cancelled':
      return { answer, words: `${name} was cancelled before it was started.`, status: 1 }
    case 'deleted':
      return { answer, words: `${name} was deleted.`, status: 1 }
  }
}

async function daemonAnswers(config: Config): Promise<boolean> {
  try {
    await askDaemon(join(config.state.dir, 'control.sock'), { verb: 'status' })
    return true
  } catch {
    return false
  }
}
