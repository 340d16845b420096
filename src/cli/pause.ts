import { userInfo } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import type { PausesAnswer } from '../daemon/control-answers.js'
import { askDaemon } from '../daemon/control-client.js'
import { databaseAddress } from '../daemon/database-address.js'
import { isWholeQueue, type PauseScope } from '../daemon/pause.js'
import { DatabaseConnection, DatabaseError } from '../hostmaster/connection.js'
import { contextExists } from '../hostmaster/context-queries.js'
import { printable } from '../observe/printable.js'
import { nameTasks } from '../scheduler/plan.js'
import { sayResult } from './json-answer.js'
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
    const { config } = await loadConfig({ file: options.config_file, environment })
    const scope = scopeOf(options)
    if (scope.object !== null) await refuseUnknownObject(config, scope.object)
    const answer = await ask(config, {
      verb: 'pause',
      by: userInfo().username,
      reason: options.reason.slice(0, 500),
      until,
      ...scope,
    })
    const what = isWholeQueue(scope) ? 'The queue is paused' : `All ${nameTasks(scope)} are paused`
    const end = until === null ? '' : ` until ${new Date(until).toISOString().replace(/\.\d+Z$/, 'Z')}`
    const words = printable(`${what}${end}; running tasks go on. To go on: ${resumeCommand(scope)}`)
    return { answer: { queue: answer.queue, tasks: answer.tasks, ended: [] }, words }
  })
}

/** `skynet resume`: ends the pause of the same tasks, or all pauses. @throws SkynetError */
export function resume(options: ResumeOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const { config } = await loadConfig({ file: options.config_file, environment })
    const scope = scopeOf(options)
    const all = options.all === true
    if (all && !isWholeQueue(scope)) throw new SkynetError('USAGE', '--all goes without --type and --object.')
    const { queue, tasks, ended } = await ask(config, { verb: 'resume', by: userInfo().username, all, ...scope })
    const answer = { queue, tasks, ended }
    if (!all && !isWholeQueue(scope) && ended.length === 0) {
      const known = tasks.map((pause) => `  ${resumeCommand(pause)}`).join('\n')
      throw new SkynetError(
        'FAILED',
        printable(`No pause of ${nameTasks(scope)} is in force.`),
        known === '' ? {} : { remedy: `In force are those that end with\n${known}` },
      )
    }
    const done = isWholeQueue(scope) ? 'The queue is resumed.' : printable(`All ${nameTasks(scope)} are resumed.`)
    for (const pause of tasks) {
      const by = `${pause.by}${pause.reason === '' ? '' : `: ${pause.reason}`}`
      process.stderr.write(
        `${printable(`Still paused: ${nameTasks(pause)}, by ${by}. To go on: ${resumeCommand(pause)}`)}\n`,
      )
    }
    if (queue.length === 0) return { answer, words: done }
    const others = queue.map(({ by, reason }) => printable(`  ${by}: ${reason}`)).join('\n')
    const own = isWholeQueue(scope) ? "Skynet's own pause is gone, but the" : `${done} The`
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

async function ask(config: Config, question: Parameters<typeof askDaemon>[1]): Promise<PausesAnswer> {
  return (await askDaemon(join(config.state.dir, 'control.sock'), question)) as PausesAnswer
}

/** A name with a slip in it would pause nothing, and nobody would notice. */
async function refuseUnknownObject(config: Config, name: string): Promise<void> {
  let connection: DatabaseConnection | undefined
  try {
    connection = await DatabaseConnection.open(await databaseAddress(config))
    if (await contextExists(connection, name)) return
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    process.stderr.write(`Whether there is such an object is not known: ${error.message}.\n`)
    return
  } finally {
    await connection?.close()
  }
  throw new SkynetError('FAILED', `There is no site, platform or server named ${printable(name)} in Aegir.`, {
    remedy: 'Use the name that skynet status shows: blog.example.com, platform_drupal7, server_web1, hostmaster.',
  })
}
