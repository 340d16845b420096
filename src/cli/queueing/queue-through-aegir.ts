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
  if (/skynet-queue.* could not be found/.test(said)) {
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

/** The lines that drush marks as errors, without the mark; of another one's output the last. */
function errorsIn(said: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  const marked = lines.flatMap((line) => /^(.*?)\s*\[error\]$/.exec(line)?.[1] ?? [])
  return (marked.length > 0 ? marked : lines.filter(Boolean).slice(-1)).join(' ')
}
