import { userInfo } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../config/load.js'
import { parseDuration } from '../config/quantity.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import type { CancelAnswer } from '../daemon/cancellation.js'
import { askDaemon } from '../daemon/control-client.js'
import type { Status } from '../daemon/status.js'
import { readTask } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { cancelInDatabase, nameOfStatus } from './cancel-waiting.js'
import { sayResult, type VerbResult } from './json-answer.js'
import { LiveLine } from './live-line.js'
import { withOpenDatabase } from './open-database.js'
import type { VerbContext } from './program.js'
import { duration } from './duration.js'
import { taskNumber } from './task-number.js'

export interface CancelOptions {
  config_file?: string
  reason: string
  grace: string
  yes?: boolean
  json?: boolean
}

/** How often is asked how it stands, in milliseconds. */
const INTERVAL = 200

/** A run whose child is just being made can be cancelled when it is there, in milliseconds. */
const STARTING = 10_000

/** So long a daemon that leads may not follow a run, in milliseconds: it has lost it to another one, or begins to lead. */
const ADOPTING = 5_000

/** How its task may stand in Aegir while a run is not settled. */
const UNSETTLED = new Set(['queued', 'processing'])

/** After the grace a run is killed; that all of it is gone, and settled, takes some moments more. In milliseconds. */
const SETTLING = 60_000

/**
 * `skynet cancel NID`: a waiting task is cancelled in the database, a running one by the daemon that runs it.
 * @throws SkynetError
 */
export function cancel(text: string, options: CancelOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const nid = taskNumber(text)
    const graceMs = graceOf(options)
    const { config } = await loadConfig({ file: options.config_file, environment })
    const answer = await askToCancel(config, nid, options, graceMs)
    switch (answer?.kind) {
      case undefined:
      case 'not running':
        return cancelInDatabase(config, nid, options.reason, answer !== undefined)
      case 'being ended':
        return waitForEnd(config, nid, answer)
      case 'starting':
      case 'needs confirmation':
        throw new SkynetError('FAILED', `Task ${nid} is just being started.`, { remedy: 'Run the command again.' })
    }
  })
}

/** The daemon's answer, when all questions are answered; undefined: there is no daemon. */
async function askToCancel(
  config: Config,
  nid: number,
  { reason, yes = false, json = false }: CancelOptions,
  grace_ms: number,
): Promise<CancelAnswer | undefined> {
  const began = performance.now()
  let confirmed = yes
  for (;;) {
    const by = userInfo().username
    const question = { verb: 'cancel' as const, nid, by, reason: reason.slice(0, 500), grace_ms, confirmed }
    const answer = (await askIfRunning(config, question)) as CancelAnswer | undefined
    switch (answer?.kind) {
      case 'needs confirmation':
        await confirm(nid, answer, json)
        confirmed = true
        break
      case 'starting':
        if (performance.now() - began > STARTING) return answer
        await delay(INTERVAL)
        break
      case 'not running':
      case 'being ended':
      case undefined:
        return answer
    }
  }
}

async function askIfRunning(config: Config, question: Parameters<typeof askDaemon>[1]): Promise<unknown> {
  try {
    return await askDaemon(join(config.state.dir, 'control.sock'), question)
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return undefined
    throw error
  }
}

/** @throws SkynetError unless somebody at a terminal says yes */
async function confirm(nid: number, { type, object }: { type: string; object: string }, json: boolean): Promise<void> {
  const what = `Task ${nid} (${type} ${object}) runs, and is not safe to interrupt: what it has begun stays half done.`
  if (json || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new SkynetError('FAILED', `${what} Nothing was done.`, {
      remedy: `To cancel it all the same: skynet cancel ${nid} --yes`,
    })
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await reader.question(`${what}\nCancel it all the same? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return
  } finally {
    reader.close()
  }
  throw new SkynetError('FAILED', 'Nothing was done.')
}

async function waitForEnd(config: Config, nid: number, answer: BeingEnded): Promise<VerbResult> {
  const { run, grace_ms } = answer
  const name = nameOf(answer, nid)
  const line = new LiveLine()
  /** When the daemon was asked, or has adopted it since: then its grace begins anew. */
  let began = performance.now()
  /** Since when a daemon leads and does not follow it. */
  let goneAt: number | undefined
  try {
    for (;;) {
      const status = (await askIfRunning(config, { verb: 'status' })) as Status | undefined
      if (!status) {
        throw new SkynetError('DAEMON_UNREACHABLE', `The daemon has left while ${name} was being ended.`, {
          remedy: 'The next one goes on with that. Start it with: skynet queued',
        })
      }
      const found = status.running.find((each) => each.run === run)
      const leads = status.role === 'leader' || status.role === 'disabled'
      if (leads && found?.cancelled_by === null) {
        throw new SkynetError('FAILED', `${name} was taken over by another daemon, which does not know of this.`, {
          remedy: `Cancel it once more: skynet cancel ${nid}`,
        })
      }
      if (found && goneAt !== undefined) began = performance.now()
      goneAt = found || !leads ? undefined : (goneAt ?? performance.now())
      if (goneAt !== undefined) {
        const nothing = `${name} was being ended, but how it stands now is not known`
        const task = await withOpenDatabase(config, nothing, (connection) => readTask(connection, nid))
        const stands = nameOfStatus(task?.status)
        if (!UNSETTLED.has(stands) || performance.now() - goneAt > ADOPTING) return resultOf(answer, nid, stands)
      }
      const waited = performance.now() - began
      if (waited > grace_ms + SETTLING) {
        throw new SkynetError('FAILED', `${name} was killed, and something of it is still there.`, {
          remedy: `See what: skynet why ${nid}`,
        })
      }
      const kill = waited < grace_ms ? `it is killed in ${duration(grace_ms - waited)}` : 'it is being killed'
      line.show(`${name} is being ended.`, `(${kill})`)
      await delay(INTERVAL)
    }
  } finally {
    line.end()
  }
}

type BeingEnded = Extract<CancelAnswer, { kind: 'being ended' }>

const nameOf = ({ type, object }: BeingEnded, nid: number): string => `Task ${nid} (${type} ${object})`

function resultOf(answer: BeingEnded, nid: number, status: string): VerbResult {
  const { run, type, object, isNew } = answer
  const name = nameOf(answer, nid)
  const result = { nid, type, object, was: 'running', run, status, is_new: isNew }
  if (status === 'error') {
    const words = `${name} was cancelled and has failed now, for Aegir too. What it had begun may be half done.`
    return { answer: result, words }
  }
  const words = printable(`${name} came to its own end before it could be cancelled: ${status}.`)
  return { answer: result, words, status: 1 }
}

function graceOf({ grace }: CancelOptions): number {
  const ms = parseDuration(grace)
  if (ms !== null && ms <= 3_600_000) return ms
  throw new SkynetError(
    'USAGE',
    `--grace takes a duration of at most an hour, such as 30s, not “${grace.slice(0, 40)}”.`,
  )
}
