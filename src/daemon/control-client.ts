import { connect } from 'node:net'
import { SkynetError } from '../config/skynet-error.js'
import { LONGEST_LINE, type ControlAnswer } from './control-protocol.js'
import type { ControlQuestion } from './control-requests.js'

/** How long the daemon may take to answer, in milliseconds. */
const PATIENCE = 10_000

/**
 * Asks the daemon that listens at `path`.
 * @param signal ends the wait for an answer
 * @throws SkynetError DAEMON_UNREACHABLE, or FAILED with the daemon's words
 */
export async function askDaemon(path: string, request: ControlQuestion, signal?: AbortSignal): Promise<unknown> {
  const line = await new Promise<string>((resolve, reject) => {
    const socket = connect({ path, ...(signal ? { signal } : {}) })
    let received = ''
    socket.setEncoding('utf8')
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error(`no answer within ${PATIENCE / 1000} s`)))
    socket.on('connect', () => socket.write(JSON.stringify(request) + '\n'))
    socket.on('data', (chunk: string) => {
      received += chunk
      if (received.length > LONGEST_LINE) socket.destroy(new Error('the answer is too long'))
    })
    socket.on('end', () => resolve(received))
    socket.on('error', (error: NodeJS.ErrnoException) => reject(unreachable(path, error)))
  })
  const answer = parseAnswer(line, path)
  if (answer.ok) return answer.result
  throw new SkynetError('FAILED', `The daemon refused: ${answer.error}`)
}

function parseAnswer(line: string, path: string): ControlAnswer {
  try {
    return JSON.parse(line) as ControlAnswer
  } catch (cause) {
    throw unreachable(path, new Error('it hung up without an answer', { cause }))
  }
}

function unreachable(path: string, cause: NodeJS.ErrnoException): SkynetError {
  const remedy = 'Start it with: skynet queued   (or: supervisorctl start skynet-queue)'
  if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') {
    return new SkynetError('DAEMON_UNREACHABLE', `The daemon is not running: nobody listens at ${path}.`, {
      remedy,
      cause,
    })
  }
  if (cause.code === 'EACCES') {
    return new SkynetError('NOT_ALLOWED', `The daemon's control socket ${path} belongs to another user.`, {
      remedy: 'Run the command as the user that the daemon runs as: sudo -u aegir skynet …',
      cause,
    })
  }
  return new SkynetError('DAEMON_UNREACHABLE', `The daemon at ${path} does not answer: ${cause.message}.`, { cause })
}
