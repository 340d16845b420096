import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Conditions } from '../observe/conditions.js'
import type { Logger } from '../observe/logger.js'
import type { Clock } from './clock.js'
import { listenAt, removeSocketFile, someoneListens, type SocketFile } from './socket-file.js'

/** How long a client may take, in milliseconds. */
const PATIENCE = 10_000

/** How often an answer is made anew at most, in milliseconds: every user of the machine may ask, as fast as he likes. */
const FRESH = 500

/** After how many milliseconds an address that could not be had is tried again: by the leader, by anybody else. */
const LEADER_RETRY = 1_000
const RETRY = 3_000

export interface Answer {
  status: 200 | 503
  type: string
  text: string
}

export interface MetricsServerOptions {
  logger: Logger
  conditions: Conditions
  clock: Clock
  /** `[metrics] listen`: HOST:PORT or the path of a unix socket; null: nobody is listened to. */
  listen: () => string | null
  /** Loads what answers need; they are not asked for before. */
  load: () => Promise<void>
  /** What is served, by path. */
  pages: Readonly<Record<string, () => Answer | Promise<Answer>>>
}

/**
 * Serves a few small pages over HTTP, for a monitoring system. Where it listens may change at any time. Of two daemons
 * with one address the leader is to have it: who has lost the lead lets go of it, who leads tries more often.
 */
export class MetricsServer {
  readonly #options: MetricsServerOptions
  readonly #answers = new Map<string, { at: number; answer: Promise<Answer> }>()
  #server: Server | undefined
  #file: SocketFile | undefined
  /** Where the server listens, or was to. */
  #listen: string | null = null
  #retryAt = Number.NEGATIVE_INFINITY
  #leads = false
  #isChanging = false
  #isStopped = false

  constructor(options: MetricsServerOptions) {
    this.#options = options
  }

  /** Listens where it is to; costs nothing while nothing changes, keeps nobody waiting, never throws. */
  keep(leads: boolean): void {
    const { listen, clock } = this.#options
    const wanted = listen()
    if (leads && !this.#leads) this.#retryAt = Number.NEGATIVE_INFINITY
    this.#leads = leads
    if (this.#isStopped || this.#isChanging) return
    if (wanted === this.#listen && (wanted === null || this.#server || clock.monotonic() < this.#retryAt)) return
    this.#isChanging = true
    void this.#change(wanted, leads).finally(() => (this.#isChanging = false))
  }

  /** Somebody else leads: lets go of the address for long enough that he gets it. */
  yield(): void {
    this.#close()
    this.#retryAt = this.#options.clock.monotonic() + RETRY
  }

  /** Idempotent. */
  stop(): void {
    this.#isStopped = true
    this.#close()
  }

  async #change(wanted: string | null, leads: boolean): Promise<void> {
    const { logger, conditions, clock, load } = this.#options
    const isNew = wanted !== this.#listen
    this.#close()
    this.#listen = wanted
    if (wanted === null) {
      const message = 'metrics are not served any more'
      if (!conditions.end('metrics', message)) logger.info(message)
      return
    }
    try {
      await load()
      await this.#open(wanted, leads)
      if (!conditions.end('metrics', 'metrics are served again', { listen: wanted }) && isNew)
        logger.info({ listen: wanted }, 'metrics are served')
    } catch (error) {
      this.#retryAt = clock.monotonic() + (leads ? LEADER_RETRY : RETRY)
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      // The daemon that leads has it, as a rule, and we are about to stand by.
      if (isTaken && !leads) return
      conditions.begin('metrics', 'warn', 'metrics cannot be served; tasks go on', { err: error, listen: wanted })
    }
  }

  async #open(listen: string, leads: boolean): Promise<void> {
    const { createServer } = await import('node:http')
    const server = createServer(
      { requestTimeout: PATIENCE, headersTimeout: PATIENCE, keepAliveTimeout: PATIENCE, maxHeaderSize: 8_192 },
      (request, response) => void this.#serve(request, response),
    )
    server.maxConnections = 32
    server.on('connection', (socket) => socket.unref())
    if (listen.startsWith('/')) {
      if (!leads && (await someoneListens(listen))) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
      this.#file = await listenAt(server, listen, 0o600)
    } else {
      const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(listen) ?? []
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }, () => {
          server.off('error', reject)
          server.on('error', () => undefined)
          resolve()
        })
      })
    }
    server.unref()
    this.#server = server
    if (this.#isStopped) this.#close()
  }

  #close(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
    if (this.#file) removeSocketFile(this.#file)
    this.#server = undefined
    this.#file = undefined
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const page = Object.hasOwn(this.#options.pages, path) ? this.#options.pages[path] : undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      reply(response, 405, 'only GET and HEAD\n')
      return
    }
    if (!page) {
      reply(response, 404, `there are ${Object.keys(this.#options.pages).join(', ')}\n`)
      return
    }
    try {
      const { status, type, text } = await this.#answer(path, page)
      reply(response, status, text, type)
    } catch (error) {
      this.#options.logger.debug({ err: error, path }, 'metrics could not be computed')
      reply(response, 500, 'this could not be computed; the log of Skynet says why at level debug\n')
    }
  }

  #answer(path: string, page: () => Answer | Promise<Answer>): Promise<Answer> {
    const now = this.#options.clock.monotonic()
    const known = this.#answers.get(path)
    if (known && now - known.at < FRESH) return known.answer
    const answer = (async () => page())()
    this.#answers.set(path, { at: now, answer })
    return answer
  }
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
}
