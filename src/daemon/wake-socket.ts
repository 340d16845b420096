import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import type { Clock } from './clock.js'
import { listenAt, removeSocketFile, type SocketFile } from './socket-file.js'

/** Wake-ups are answered at most 20 times a second (milliseconds between two). */
const SPACING = 50

/** Bytes of one wake-up that are read; who sends more is hung up on. */
const LONGEST = 64

/**
 * A byte on this socket makes the next poll happen now. The Drupal module sends it, as the web server's user: so the
 * socket is 0660 in a folder of 0710, both of the folder's group, and nothing else of Skynet's is in there. It carries
 * no data and is believed in nothing: the poll is the truth.
 */
export class WakeSocket {
  readonly #path: string
  readonly #clock: Clock
  readonly #wake: () => void
  #answeredAt = Number.NEGATIVE_INFINITY
  #isDue = false
  #server: Server | undefined
  #file: SocketFile | undefined

  constructor(path: string, clock: Clock, wake: () => void) {
    this.#path = path
    this.#clock = clock
    this.#wake = wake
  }

  /** @throws when the folder or the socket cannot be made; polling goes on without it. */
  async start(): Promise<void> {
    if (this.#server) return
    const folder = dirname(this.#path)
    // Our umask takes the group's bit away.
    if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o710)
    const server = createServer((socket) => {
      let read = 0
      socket.on('error', () => undefined)
      socket.setTimeout(1_000, () => socket.destroy())
      socket.on('data', (chunk) => {
        read += chunk.length
        this.#onByte()
        if (read > LONGEST) socket.destroy()
      })
    })
    server.maxConnections = 64
    // Only the leader listens, and there is one leader: what is there is of one that is gone.
    this.#file = await listenAt(server, this.#path, 0o660, (file) => {
      try {
        // The folder's group is the web server's; a user may give files to any group that he is in.
        chownSync(file, -1, statSync(folder).gid)
      } catch {
        // Not in that group: whoever made the folder gave it the setgid bit, or wake-ups do not get through.
      }
    })
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

  /** The first byte is answered at once, those that follow too soon together. */
  #onByte(): void {
    if (this.#isDue) return
    const answer = (): void => {
      this.#isDue = false
      this.#answeredAt = this.#clock.monotonic()
      this.#wake()
    }
    const since = this.#clock.monotonic() - this.#answeredAt
    if (since >= SPACING) answer()
    else {
      this.#isDue = true
      void this.#clock.pause(SPACING - since).then(answer)
    }
  }
}
