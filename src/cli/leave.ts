import { setTimeout as delay } from 'node:timers/promises'
import { userInfo } from 'node:os'
import { SkynetError } from '../config/skynet-error.js'
import type { StopAnswer } from '../daemon/control-answers.js'
import { askDaemon } from '../daemon/control-client.js'
import type { Status } from '../daemon/status.js'
import { ProcessTable } from '../runner/process-table.js'
import { controlSocket } from './control-socket.js'
import { sayResult } from './json-answer.js'
import { LiveLine } from './live-line.js'
import type { VerbContext } from './program.js'

interface LeaveOptions {
  config_file?: string
  json?: boolean
  /** commander's `--no-wait`. */
  wait: boolean
}

/** How long a daemon that was told to leave at once may take, in milliseconds. */
const PATIENCE = 30_000

/** How often is looked whether it has left, in milliseconds. */
const INTERVAL = 200

/** `skynet drain`: the daemon leaves when the last running task has ended. @throws SkynetError */
export function drain(options: LeaveOptions, context: VerbContext): Promise<number> {
  return leave('finish', options, context)
}

/** `skynet stop`: the daemon leaves at once; running tasks go on, and the next one adopts them. @throws SkynetError */
export function stop(options: LeaveOptions, context: VerbContext): Promise<number> {
  return leave('leave', options, context)
}

function leave(how: 'finish' | 'leave', options: LeaveOptions, { environment }: VerbContext): Promise<number> {
  return sayResult(options.json, async () => {
    const socket = await controlSocket(options.config_file, environment)
    const processes = new ProcessTable()
    const { pid } = (await askDaemon(socket, { verb: 'status' })) as Status
    const daemon = processes.identify(pid)
    const answer = (await askDaemon(socket, { verb: 'stop', how, by: userInfo().username })) as StopAnswer
    const { running, standbys, kept_up_by } = answer
    const tasks = running === 1 ? '1 running task' : `${running} running tasks`
    if (kept_up_by) {
      const { name, stop_command } = kept_up_by
      process.stderr.write(`${name} starts it again. To keep it stopped: ${stop_command}\n`)
    }
    for (const standby of standbys) process.stderr.write(`The standby, process ${standby}, takes over.\n`)
    const result = { pid, running, standbys, kept_up_by }
    if (!options.wait || !daemon) {
      const words =
        how === 'leave' ? 'The daemon is leaving.' : `The daemon starts nothing more and leaves after ${tasks}.`
      return { answer: { ...result, has_left: false }, words }
    }
    const line = new LiveLine()
    const asked = performance.now()
    try {
      while (processes.isAlive(daemon)) {
        if (how === 'finish') line.show(...(await progress(socket, pid)))
        else if (performance.now() - asked > PATIENCE) {
          throw new SkynetError('FAILED', `The daemon, process ${pid}, was told to leave and is still there.`, {
            remedy: `See its log. As a last resort: kill -9 ${pid} (running tasks go on)`,
          })
        }
        await delay(INTERVAL)
      }
    } finally {
      line.end()
    }
    const left = how === 'leave' && running > 0 ? ` ${tasks} go${running === 1 ? 'es' : ''} on.` : ''
    return { answer: { ...result, has_left: true }, words: `The daemon, process ${pid}, has left.${left}` }
  })
}

/** What is still waited for. */
async function progress(socket: string, pid: number): Promise<[state: string, age?: string]> {
  try {
    const status = (await askDaemon(socket, { verb: 'status' })) as Status
    if (status.pid !== pid) return ['Leaving.']
    const names = status.running.map(({ nid, type, object }) => `${nid} ${type} ${object}`)
    return [names.length === 0 ? 'Leaving.' : `Waiting for ${names.join(', ')}.`]
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return ['Leaving.']
    throw error
  }
}
