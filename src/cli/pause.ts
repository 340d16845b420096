import { userInfo } from 'node:os'
import { closest } from 'fastest-levenshtein'
import { ConfigError } from '../config/config-error.js'
import { loadConfig } from '../config/load.js'
import { SkynetError } from '../config/skynet-error.js'
import type { PausesAnswer } from '../daemon/control-answers.js'
import { askDaemon } from '../daemon/control-client.js'
import { isWholeQueue, type PauseScope } from '../daemon/pause.js'
import { contextExists } from '../hostmaster/context-queries.js'
import { taskTypeExists } from '../hostmaster/task-queries.js'
import { printable } from '../observe/printable.js'
import { nameTasks } from '../scheduler/plan.js'
import { isKnownType, knownTypes } from '../scheduler/task-types.js'
import { controlSocket } from './control-socket.js'
import { sayResult } from './json-answer.js'
import { withOpenDatabase } from './open-database.js'
import type { VerbContext } from './program.js'
import { parseUntil } from './until.js'

interface ScopeOptions {
  config_file?: string
  type?: string
  object?: string
  json?: boolean
}

export interface PauseOptions extends ScopeOptions {
  reason: string
  until?: string
}

export interface ResumeOptions extends ScopeOptions {
  all?: boolean
}

/** `skynet pause`: the whole queue, or tasks of a type, of an object. @throws SkynetError */
export function pause(options: PauseOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const until = options.until === undefined ? null : parseUntil(options.until, Date.now())
    const scope = scopeOf(options)
    const socket = await controlSocket(options.config_file, environment)
    await refuseUnknown(scope, options.config_file, environment)
    const answer = await ask(socket, {
      verb: 'pause',
      by: userInfo().username,
      reason: options.reason.slice(0, 500),
      until,
      ...scope,
    })
    const what = isWholeQueue(scope) ? 'The queue is paused' : `All ${nameTasks(scope)} are paused`
    const { queue, tasks, ended } = answer
    for (const pause of ended) {
      const { by, reason, until: before } = pause
      if (reason === printable(options.reason) && by === userInfo().username && before === until) continue
      process.stderr.write(
        `${printable(`This takes the place of the pause by ${byAndReason(pause)}${endOf(before)}.`)}\n`,
      )
    }
    const words = printable(`${what}${endOf(until)}; running tasks go on. To go on: ${resumeCommand(scope)}`)
    return { answer: { queue, tasks, ended }, words }
  })
}

/** `skynet resume`: ends the pause of the same tasks, or all pauses. @throws SkynetError */
export function resume(options: ResumeOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const scope = scopeOf(options)
    const all = options.all === true
    if (all && !isWholeQueue(scope)) throw new SkynetError('USAGE', '--all goes without --type and --object.')
    const socket = await controlSocket(options.config_file, environment)
    const { queue, tasks, ended } = await ask(socket, { verb: 'resume', by: userInfo().username, all, ...scope })
    const answer = { queue, tasks, ended }
    if (!all && !isWholeQueue(scope) && ended.length === 0) {
      const known = tasks.map((pause) => `  ${resumeCommand(pause)}`).join('\n')
      throw new SkynetError(
        'FAILED',
        printable(`No pause of ${nameTasks(scope)} is in force.`),
        known === '' ? {} : { remedy: `In force are those that end with\n${known}` },
      )
    }
    const done = printable(doneWords(scope, ended))
    for (const pause of tasks) {
      const still = `Still paused: ${nameTasks(pause)}, by ${byAndReason(pause)}. To go on: ${resumeCommand(pause)}`
      process.stderr.write(`${printable(still)}\n`)
    }
    if (queue.length === 0) return { answer, words: done }
    const others = queue.map(({ by, reason }) => printable(`  ${by}: ${reason}`)).join('\n')
    const gone = ended.some(isWholeQueue)
      ? "Skynet's own pause is gone, but the"
      : 'Skynet itself has not paused it, but the'
    const own = isWholeQueue(scope) ? gone : `${done} The`
    process.stderr.write(`${own} queue is still paused by\n${others}\n`)
    // Who resumed some tasks has got what was asked for; who resumed the queue has not.
    const isFailed = isWholeQueue(scope)
    return { answer, words: isFailed ? '' : done, status: isFailed ? 1 : 0 }
  })
}

function scopeOf({ type, object }: ScopeOptions): PauseScope {
  // Drush writes an alias with an @; Aegir's own name of it has none.
  return { type: type ?? null, object: object === undefined ? null : object.replace(/^@/, '') }
}

function resumeCommand(scope: PauseScope): string {
  const quoted = (word: string) => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)
  const type = scope.type === null ? '' : ` --type ${quoted(scope.type)}`
  const object = scope.object === null ? '' : ` --object ${quoted(scope.object)}`
  return `skynet resume${type}${object}`
}

function endOf(until: number | null): string {
  return until === null ? '' : ` until ${new Date(until).toISOString().replace(/\.\d+Z$/, 'Z')}`
}

function doneWords(scope: PauseScope, ended: readonly PauseScope[]): string {
  if (!isWholeQueue(scope)) return `All ${nameTasks(scope)} are resumed.`
  if (ended.some(isWholeQueue)) return 'The queue is resumed.'
  return ended.length > 0
    ? 'The pauses of some tasks are ended; the queue was not paused.'
    : 'The queue was not paused.'
}

function byAndReason({ by, reason }: { by: string; reason: string }): string {
  return `${by}${reason === '' ? '' : `: ${reason}`}`
}

async function ask(socket: string, question: Parameters<typeof askDaemon>[1]): Promise<PausesAnswer> {
  return (await askDaemon(socket, question)) as PausesAnswer
}

/** A name with a slip in it would pause nothing, and nobody would notice. */
async function refuseUnknown(
  { type, object }: PauseScope,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const isTypeKnown = type === null || isKnownType(type)
  if (isTypeKnown && object === null) return
  try {
    const { config } = await loadConfig({ file, environment })
    await withOpenDatabase(config, 'Whether there are such tasks is not known', async (connection) => {
      if (object !== null && !(await contextExists(connection, object))) throw noSuchObject(object)
      if (isTypeKnown || Object.hasOwn(config.locks, type) || (await taskTypeExists(connection, type))) return
      throw noSuchType(type, Object.keys(config.locks))
    })
  } catch (error) {
    if (!(error instanceof SkynetError) || error.code === 'FAILED') throw error
    // No reason to refuse: a pause is needed most when something is wrong. What is wrong with the configuration was said.
    const isSaid = error instanceof ConfigError
    process.stderr.write(`${isSaid ? 'Whether there are such tasks is not known.' : error.message}\n`)
  }
}

function noSuchObject(name: string): SkynetError {
  return new SkynetError('FAILED', `There is no site, platform or server named ${printable(name)} in Aegir.`, {
    remedy: 'Use the name that skynet status shows: blog.example.com, platform_drupal7, server_web1, hostmaster.',
  })
}

function noSuchType(type: string, others: readonly string[]): SkynetError {
  return new SkynetError('FAILED', `There is no task of type ${printable(type)} in Aegir, nor does Skynet know one.`, {
    remedy:
      `Did you mean ${closest(type, [...knownTypes(), ...others])}? The type of a contributed module is known when ` +
      'there has been a task of it, or when [locks] names it.',
  })
}
