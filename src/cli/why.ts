import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import { readTaskEnd, type TaskEnd } from '../hostmaster/task-history.js'
import { printable } from '../observe/printable.js'
import { redact } from '../runner/run-output.js'
import { describeReason, plan } from '../scheduler/plan.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'
import { withQueueView, type QueueView } from './queue-view.js'
import { wholeNumber } from './scale.js'
import { duration } from './status.js'

interface WhyOptions {
  config_file?: string
  json?: boolean
}

/** `skynet why NID`: one sentence. The daemon knows best; without it the database is asked. @throws SkynetError */
export async function why(text: string, options: WhyOptions, context: VerbContext): Promise<number> {
  const nid = wholeNumber(text, 4_294_967_295, 'the nid of a task')
  const fromDaemon = await askIfRunning(nid, options, context)
  const sentence =
    fromDaemon.sentence ??
    (await withQueueView(options.config_file, context.environment, (view) => explain(view, nid, fromDaemon.isRunning)))
  process.stdout.write(options.json ? `${JSON.stringify({ nid, why: sentence })}\n` : `${sentence}\n`)
  return 0
}

async function askIfRunning(
  nid: number,
  { config_file }: WhyOptions,
  { environment }: VerbContext,
): Promise<{ isRunning: boolean; sentence: string | null }> {
  try {
    const socket = await controlSocket(config_file, environment)
    const { sentence } = (await askDaemon(socket, { verb: 'why', nid })) as { sentence: string | null }
    return { isRunning: true, sentence }
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return { isRunning: false, sentence: null }
    throw error
  }
}

async function explain({ connection, input }: QueueView, nid: number, isRunning: boolean): Promise<string> {
  const end = await readTaskEnd(connection, nid)
  if (!end) {
    throw new SkynetError('FAILED', `There is no task ${nid}.`, {
      remedy: 'A task is named by the nid of its node, as in …/node/NID or in skynet status.',
    })
  }
  const off = isRunning ? '' : ' The daemon does not run; this is what the database says.'
  if (end.status === 0) {
    const reason = plan(input).waiting.get(nid)
    return `${reason ? printable(describeReason(reason)) : 'It could start now.'}${off}`
  }
  if (end.status === -1) {
    const kind = input.running.find((task) => task.nid === nid)?.kind
    return `${kind === 'stuck' ? 'It is stuck: Aegir takes it for processing, but no process of it is alive.' : 'It is being run.'}${off}`
  }
  return describeEnd(end)
}

const OUTCOMES: Record<number, string> = { 1: 'with success', 2: 'with an error', 3: 'with a warning' }

function describeEnd({ status, executed, delta, error }: TaskEnd): string {
  if (executed === null) return `It was ${status === 3 ? 'cancelled' : 'ended'} before it was started.`
  const at = new Date(executed * 1000).toISOString()
  const took = delta === null ? '' : `, after ${duration(delta * 1000)}`
  const because = error === null ? '' : `: ${printable(redact(error))}`
  return `It was started at ${at} and ended ${OUTCOMES[status ?? Number.NaN] ?? `with the unknown status ${status}`}${took}${because}`
}
