import { join } from 'node:path'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { readTaskEnd, type TaskEnd } from '../hostmaster/task-history.js'
import { TASK_STATUS } from '../hostmaster/task.js'
import { printable } from '../observe/printable.js'
import { describeReason, plan } from '../scheduler/plan.js'
import { namesIn } from '../scheduler/topology.js'
import { controlSocket } from './control-socket.js'
import { WITHOUT_DAEMON, withDatabase, type DatabaseView } from './database-view.js'
import type { VerbContext } from './program.js'
import { queueView } from './queue-view.js'
import { duration } from './duration.js'
import { shownLines } from './shown-text.js'
import { noSuchTask, taskNumber } from './task-number.js'

interface WhyOptions {
  config_file?: string
  json?: boolean
}

/** `skynet why NID`: one sentence. The daemon knows best; without it the database is asked. @throws SkynetError */
export async function why(text: string, options: WhyOptions, context: VerbContext): Promise<number> {
  const nid = taskNumber(text)
  const socket = await controlSocket(options.config_file, context.environment)
  const sentence =
    (await sentenceOfDaemon(socket, nid)) ??
    (await withDatabase(options.config_file, context.environment, async (view) => {
      const { sentence: fromDatabase, isOpen } = await explain(view, nid)
      return isOpen && !view.status ? `${fromDatabase} ${WITHOUT_DAEMON}` : fromDatabase
    }))
  process.stdout.write(options.json ? `${JSON.stringify({ nid, why: sentence })}\n` : `${sentence}\n`)
  return 0
}

/** What the daemon says of an open task; null: it does not run, or does not know the task as an open one. */
async function sentenceOfDaemon(socket: string, nid: number): Promise<string | null> {
  try {
    return ((await askDaemon(socket, { verb: 'why', nid })) as { sentence: string | null }).sentence
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return null
    throw error
  }
}

/** The sentence of a verb that has opened the database already. */
export async function whyOf(view: DatabaseView, nid: number): Promise<string> {
  const socket = join(view.config.state.dir, 'control.sock')
  return (view.status && (await sentenceOfDaemon(socket, nid))) ?? (await explain(view, nid)).sentence
}

/** What the database says of a task; open is one that waits or is being run. */
async function explain(view: DatabaseView, nid: number): Promise<{ sentence: string; isOpen: boolean }> {
  const end = await readTaskEnd(view.connection, nid)
  if (!end) throw noSuchTask(nid)
  if (end.status !== TASK_STATUS.queued && end.status !== TASK_STATUS.processing) {
    return { sentence: describeEnd(end), isOpen: false }
  }
  const { input, paused } = await queueView(view)
  if (end.status === TASK_STATUS.queued) {
    const reason = plan(paused ? { ...input, halted: paused } : input).waiting.get(nid)
    const sentence = reason ? printable(describeReason(reason, namesIn(input.topology))) : 'It could start now.'
    return { sentence, isOpen: true }
  }
  const kind = input.running.find((task) => task.nid === nid)?.kind
  const stuck = 'It is stuck: Aegir takes it for processing, but no process of it is alive.'
  return { sentence: kind === 'stuck' ? stuck : 'It is being run.', isOpen: true }
}

const OUTCOMES: Record<number, string> = { 1: 'with success', 2: 'with an error', 3: 'with a warning' }

function describeEnd({ status, executed, delta, error }: TaskEnd): string {
  if (executed === null) return `It was ${status === 3 ? 'cancelled' : 'ended'} before it was started.`
  const at = new Date(executed * 1000).toISOString()
  const took = delta === null ? '' : `, after ${duration(delta * 1000)}`
  const because = error === null ? '' : `: ${printable(shownLines(error).join(' '))}`
  return `It was started at ${at} and ended ${OUTCOMES[status ?? Number.NaN] ?? `with the unknown status ${status}`}${took}${because}`
}
