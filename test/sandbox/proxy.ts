import { createConnection, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'

/** Towards the server, towards the client, or both. */
export type Direction = 'toServer' | 'toClient' | 'both'

interface Pair {
  client: Socket
  server: Socket
}

/** What a client of MariaDB says before it closes its connection: COM_QUIT. */
const QUIT = Buffer.from([1, 0, 0, 0, 1])

/** Stands between a client and a server and breaks what is between them: stalls without closing, cuts, leads elsewhere. */
export class Proxy {
  readonly #listener: Server
  readonly #pairs = new Set<Pair>()
  #target: NetConnectOpts
  #stalled: Direction | undefined
  #refusing = false
  #isKeeping = false
  readonly #kept = new Set<Socket>()
  #port = 0

  private constructor(target: NetConnectOpts) {
    this.#target = target
    // Half-open, so that the end of one direction is passed on and does not close the other.
    this.#listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#accept(client))
  }

  /** Listens on a free port of the loopback, or on a unix socket. */
  static async listen(target: NetConnectOpts, path?: string): Promise<Proxy> {
    const proxy = new Proxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#listener.once('error', reject)
      if (path === undefined) proxy.#listener.listen(0, '127.0.0.1', resolve)
      else proxy.#listener.listen(path, resolve)
    })
    const address = proxy.#listener.address()
    if (typeof address === 'object' && address) proxy.#port = address.port
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Passes nothing more on in this direction; no connection closes, new ones are accepted and stall as well. */
  stall(direction: Direction = 'both'): void {
    this.#stalled = direction
    for (const pair of this.#pairs) this.#regulate(pair)
  }

  /** Passes on what has come since `stall()`, and all that comes. */
  resume(): void {
    this.#stalled = undefined
    for (const pair of this.#pairs) this.#regulate(pair)
  }

  /** Resets every connection; new ones are let through. */
  cut(): void {
    for (const pair of this.#pairs) destroy(pair)
  }

  /** From now on the server does not learn that a client leaves, as where the net is cut: its end of the connection stays. */
  keep(): void {
    this.#isKeeping = true
  }

  /** Closes what has been kept, and keeps nothing more. */
  letGo(): void {
    this.#isKeeping = false
    for (const server of this.#kept) server.destroy()
    this.#kept.clear()
  }

  /** Whether new connections are closed at once. */
  refuse(refusing = true): void {
    this.#refusing = refusing
  }

  /** Leads new connections to another server. */
  switchTo(target: NetConnectOpts): void {
    this.#target = target
  }

  async close(): Promise<void> {
    this.letGo()
    this.cut()
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy()
      return
    }
    const pair = { client, server: createConnection({ ...this.#target, allowHalfOpen: true }) }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      const isKept = () => from === pair.client && this.#isKeeping
      from.on('data', (chunk: Buffer) => {
        if (isKept() && chunk.equals(QUIT)) return
        if (!to.write(chunk)) from.pause()
      })
      to.on('drain', () => this.#regulate(pair))
      from.on('end', () => {
        if (!isKept()) to.end()
        else from.end()
      })
      from.on('error', () => destroy(pair))
      from.on('close', () => {
        this.#pairs.delete(pair)
        if (isKept()) this.#kept.add(pair.server)
        else destroy(pair)
      })
    }
    this.#regulate(pair)
  }

  #regulate({ client, server }: Pair): void {
    const stops = (direction: Direction) => this.#stalled === 'both' || this.#stalled === direction
    if (stops('toServer') || server.writableNeedDrain) client.pause()
    else client.resume()
    if (stops('toClient') || client.writableNeedDrain) server.pause()
    else server.resume()
  }
}

function destroy({ client, server }: Pair): void {
  for (const socket of [client, server]) {
    // Only TCP knows a reset, and only once connected. While its end is being said, libuv refuses one, and Node keeps the
    // handle: at its exit it would wait for that for ever, and as busily as it can.
    if (socket.remoteFamily === undefined || socket.writableEnded) socket.destroy()
    else socket.resetAndDestroy()
  }
}
