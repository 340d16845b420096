import { userInfo } from 'node:os'
import { homeDirectory } from '../../config/find-config.js'
import type { Config } from '../../config/schema.js'
import { SkynetError } from '../../config/skynet-error.js'
import { printable } from '../../observe/printable.js'
import { runDrush, type DrushResult } from '../../runner/drush-command.js'
import { redact } from '../../runner/run-output.js'
import { childSurroundings } from '../../runner/run-shell.js'

/** A task to be queued, as the module's drush command takes it. */
export interface TaskDescription {
  /** Name of the object in Aegir, without the `@`. */
  context: string
  type: string
  arguments: Record<string, string>
}

/** Of the surroundings that runs have; a drush that a verb starts has the umask of the verb. */
const UMASK = 0o022

const MARK = /\s*\[[a-z]+\]\s*$/gm
const MARK_OF_LINE = /\[([a-z]+)\]\s*$/

/** A bootstrap of Drupal takes a second, on an overloaded machine some more. */
const LIMIT = 120_000

/**
 * Queues a task the way Aegir does: by the module's drush command, so that Aegir's own checks and hooks apply. The task is
 * described on standard input, because an argument can hold a password. @returns its nid. @throws SkynetError
 */
export async function queueThroughAegir(
  config: Config,
  { context, type, arguments: given }: TaskDescription,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  const { username, homedir, shell } = userInfo()
  const home = homeDirectory({ HOME: homedir, ...environment })
  const user = { username, homedir: home, shell }
  const surroundings = childSurroundings(environment, user, UMASK)
  const { command, alias } = config.drush
  const description = { context: `@${context}`, type, ...(Object.keys(given).length > 0 ? { arguments: given } : {}) }
  const words = ['skynet-queue', '--json', '--nocolor']
  const result = await runDrush({ command, alias, nice: 0 }, words, JSON.stringify(description), surroundings, LIMIT)
  const nid = nidIn(result.stdout)
  if (result.code === 0 && nid !== undefined) return nid
  throw refusal(result, `${command} ${alias}`)
}

/** PHP may have warned before the answer. */
function nidIn(stdout: string): number | undefined {
  const answer = /^\{"nid":(\d{1,10})\}$/m.exec(stdout)
  return answer ? Number(answer[1]) : undefined
}

function refusal({ code, stdout, stderr, isLate }: DrushResult, drush: string): SkynetError {
  if (isLate) {
    return new SkynetError(
      'FAILED',
      `drush did not end within ${LIMIT / 1000} s; whether the task was queued is unknown.`,
      {
        remedy: 'See whether it was: skynet status',
      },
    )
  }
  const said = `${stderr}\n${stdout}`
  // drush breaks its lines at the width of a screen.
  const flat = said.replace(MARK, '').replace(/\s+/g, ' ')
  if (/skynet-queue.{0,40} could not be found|modules .*enabled.*hosting_skynet/.test(flat)) {
    return new SkynetError('FAILED', 'Skynet’s module, which queues tasks, is not enabled in the hostmaster site.', {
      remedy: `Enable it: ${drush} pm-enable hosting_skynet   (or all of it: sudo skynet setup)`,
    })
  }
  const words = errorsIn(said)
  return new SkynetError(
    'FAILED',
    words === ''
      ? `drush exited with status ${code ?? '?'} and did not say why.`
      : `The task was not queued. Aegir says: ${printable(redact(words))}`,
    { remedy: `Does drush work at all? ${drush} status` },
  )
}

/** What drush marks as an error: a line with the mark at its end, and the lines that it goes on with. */
function errorsIn(said: string): string {
  const errors: string[] = []
  let isError = false
  for (const line of said.split('\n')) {
    const mark = MARK_OF_LINE.exec(line)
    if (mark) isError = mark[1] === 'error'
    if (isError) errors.push(line.replace(MARK, '').trim())
  }
  const others = said.split('\n').filter((line) => line.trim() !== '')
  return (errors.length > 0 ? errors : others.slice(-1)).join(' ').trim()
}
