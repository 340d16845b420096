import { createServer, type Server, type Socket } from 'node:net'
import * as v from 'valibot'
import { LONGEST_LINE, type ControlAnswer } from './control-protocol.js'
import { controlRequestSchema, type ControlRequest } from './control-requests.js'
import { listenAt, removeSocketFile, type SocketFile } from './socket-file.js'

/** How long a client may take to say what it wants, in milliseconds. */
const PATIENCE = 10_000

/**
 * Answers requests on a unix socket in the state directory. Only the user himself gets there: the socket is 0600 and
 * the directory 0700. A request that cannot be read gets an error for an answer and changes nothing.
 */
export class ControlServer {
  readonly #path: string
  readonly #answer: (request: ControlRequest) => unknown
  #server: Server | undefined
  #file: SocketFile | undefined

  constructor(path: string, answer: (request: ControlRequest) => unknown) {
    this.#path = path
    this.#answer = answer
  }

  get path(): string {
    return this.#path
  }

  /**
   * Listens, in the place of whoever did before; idempotent, unless `again` asks to take the place back. That is done
   * in one step: whoever asks meanwhile is answered by the one or by the other.
   * @throws the error of listening.
   */
  async start(again = false): Promise<void> {
    if (this.#server && !again) return
    const server = createServer((socket) => this.#serve(socket))
    server.maxConnections = 32
    this.#file = await listenAt(server, this.#path, 0o600)
    this.#server?.close()
    this.#server = server
    server.unref()
  }

  /** Idempotent. */
  stop(): void {
    this.#server?.close()
    if (this.#file) removeSocketFile(this.#file)
    this.#server = undefined
    this.#file = undefined
  }

  #serve(socket: Socket): void {
    let received = ''
    socket.setEncoding('utf8')
    socket.setTimeout(PATIENCE, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.unref()
    socket.on('data', (chunk: string) => {
      received += chunk
      const end = received.indexOf('\n')
      if (end >= 0) {
        socket.removeAllListeners('data')
        socket.end(JSON.stringify(this.#reply(received.slice(0, end))) + '\n')
      } else if (received.length > LONGEST_LINE) socket.destroy()
    })
  }

  #reply(line: string): ControlAnswer {
    let request: ControlRequest
    try {
      request = v.parse(controlRequestSchema, JSON.parse(line))
    } catch {
      return { ok: false, error: 'this daemon does not know that request; is it of another version than the command?' }
    }
    try {
      return { ok: true, result: this.#answer(request) }
    } catch (error) {
      return { ok: false, error: error instanceof Error ? error.message : String(error) }
    }
  }
}
