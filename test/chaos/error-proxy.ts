import { createConnection, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'

/** An error as the server would send it; `gone`: the connection is cut instead. */
export type InjectedError =
  { name: string; kind: 'error'; number: number; state: string } | { name: string; kind: 'gone' }

/** Whether the statement is carried out before the client learns of the error. */
export type Phase = 'before' | 'after'

export interface Injection {
  error: InjectedError
  phase: Phase
}

const COM_QUERY = 0x03
const COM_STMT_PREPARE = 0x16
const COM_STMT_EXECUTE = 0x17

interface Packet {
  sequence: number
  payload: Buffer
  /** With its header. */
  bytes: Buffer
}

/**
 * Stands between a client of MySQL and its server and knows their protocol: which statement is being carried out, where
 * its answer ends. It answers statements in the server's place, before or after they were carried out.
 */
export class ErrorProxy {
  readonly #listener: Server
  readonly #target: NetConnectOpts
  readonly #clients = new Set<Socket>()
  /** Asked for every statement that is to be carried out; a connection is one too. */
  decide: (statement: string) => Injection | undefined = () => undefined

  private constructor(target: NetConnectOpts) {
    this.#target = target
    this.#listener = createServer((client) => this.#accept(client))
  }

  static async listen(target: NetConnectOpts): Promise<ErrorProxy> {
    const proxy = new ErrorProxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#listener.once('error', reject).listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#listener.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  #accept(client: Socket): void {
    const injection = this.decide(CONNECT)
    client.on('error', () => client.destroy())
    if (injection) {
      // There is nothing to be carried out yet that could come before the error.
      if (injection.error.kind === 'gone') client.destroy()
      else client.end(errorPacket(injection.error, 0))
      return
    }
    this.#clients.add(client)
    const conversation = new Conversation(client, createConnection(this.#target), (statement) => this.decide(statement))
    conversation.closed.then(
      () => this.#clients.delete(client),
      () => undefined,
    )
  }
}

/** The statement that a connection is: the server may say at once that it has too many of them. */
export const CONNECT = 'CONNECT'

/** Blanks and the number of values in a list do not make another statement. */
export function normalised(statement: string): string {
  return statement
    .replace(/\s+/g, ' ')
    .replace(/\?(, \?)+/g, '?, …')
    .trim()
}

/** Among the flags of an end: another answer to the same statement follows. */
const MORE_RESULTS = 0x0008

class Conversation {
  readonly closed: Promise<void>
  readonly #client: Socket
  readonly #server: Socket
  readonly #decide: (statement: string) => Injection | undefined
  readonly #statements = new Map<number, string>()
  #preparing: string | undefined
  /** An answer of the server that the client is not to see: what it gets in its place, and how far it has come. */
  #withheld: { error: InjectedError; packets: number; ends: number } | undefined

  constructor(client: Socket, server: Socket, decide: (statement: string) => Injection | undefined) {
    this.#client = client
    this.#server = server
    this.#decide = decide
    const fromClient = new PacketReader((packet) => this.#fromClient(packet))
    const fromServer = new PacketReader((packet) => this.#fromServer(packet))
    client.on('data', (chunk) => fromClient.take(chunk))
    server.on('data', (chunk) => fromServer.take(chunk))
    const cut = () => this.#cut()
    for (const socket of [client, server]) socket.on('error', cut).on('close', cut)
    this.closed = new Promise((resolve) => client.once('close', () => resolve()))
  }

  #cut(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  #fromClient({ sequence, payload, bytes }: Packet): void {
    // Only a command begins with sequence 0; what comes before the first one is the login.
    const command = sequence === 0 ? payload[0] : undefined
    if (command === COM_STMT_PREPARE) this.#preparing = payload.toString('utf8', 1)
    const statement =
      command === COM_QUERY
        ? payload.toString('utf8', 1)
        : command === COM_STMT_EXECUTE
          ? this.#statements.get(payload.readUInt32LE(1))
          : undefined
    const injection = statement === undefined ? undefined : this.#decide(normalised(statement))
    if (injection?.phase === 'before') this.#tell(injection.error)
    else {
      if (injection) this.#withheld = { error: injection.error, packets: 0, ends: 0 }
      this.#server.write(bytes)
    }
  }

  #fromServer({ payload, bytes }: Packet): void {
    if (this.#preparing !== undefined) {
      if (payload[0] === 0) this.#statements.set(payload.readUInt32LE(1), this.#preparing)
      this.#preparing = undefined
    }
    if (!this.#withheld) {
      this.#client.write(bytes)
      return
    }
    // Either one packet, or columns and rows with an end after each.
    const withheld = this.#withheld
    withheld.packets += 1
    const isOnly = withheld.packets === 1 && payload[0] === 0
    if (payload[0] === 0xfe && payload.length < 9) withheld.ends += 1
    if (withheld.ends === 2 && (payload.readUInt16LE(3) & MORE_RESULTS) !== 0) {
      // A compound statement says in an answer of its own that it is over.
      this.#withheld = { error: withheld.error, packets: 0, ends: 0 }
      return
    }
    if (isOnly || payload[0] === 0xff || withheld.ends === 2) {
      this.#withheld = undefined
      this.#tell(withheld.error)
    }
  }

  #tell(error: InjectedError): void {
    if (error.kind === 'gone') this.#cut()
    else this.#client.write(errorPacket(error, 1))
  }
}

class PacketReader {
  readonly #take: (packet: Packet) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(take: (packet: Packet) => void) {
    this.#take = take
  }

  take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUIntLE(0, 3)
      if (this.#rest.length < 4 + length) return
      const bytes = this.#rest.subarray(0, 4 + length)
      this.#rest = this.#rest.subarray(4 + length)
      this.#take({ sequence: bytes[3] ?? 0, payload: bytes.subarray(4), bytes })
    }
  }
}

function errorPacket({ number, state, name }: InjectedError & { kind: 'error' }, sequence: number): Buffer {
  const text = Buffer.from(`#${state}${name} (injected)`)
  const payload = Buffer.concat([Buffer.from([0xff, number & 0xff, number >> 8]), text])
  const header = Buffer.from([payload.length & 0xff, payload.length >> 8, 0, sequence])
  return Buffer.concat([header, payload])
}
