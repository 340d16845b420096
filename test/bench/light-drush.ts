import { chmodSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { Hostmaster } from '../sandbox/hostmaster.js'
import { insert, insertRevision, now } from '../sandbox/node-rows.js'
import type { Sandbox } from '../sandbox/sandbox.js'

/** When a drush process had begun, by its own clock, and which one it was. */
export interface Begun {
  nid: number
  /** Milliseconds since 1970, with a fraction. */
  at: number
  pid: number
}

/**
 * Tells as its first act who it is and when it began, and lasts until the answer: a drush of three milliseconds, for
 * measuring what is Skynet's part of a run, and for ten thousand tasks in two minutes.
 */
const SCRIPT = (port: number) => `#!/bin/bash
at=$EPOCHREALTIME
[ "$2" = hosting-task ] || exit 0
exec 3<>/dev/tcp/127.0.0.1/${port}
echo "$3 $at $$" >&3
read -r _ <&3
`

/** Takes the place of the stand-in drush and does its work on the database: a new revision, and the status success. */
export class LightDrush {
  readonly begun: Begun[] = []
  /** Called while the drush waits. */
  onBegin: (begun: Begun) => void = () => undefined
  readonly #server: Server
  readonly #sandbox: Sandbox

  private constructor(sandbox: Sandbox, server: Server) {
    this.#sandbox = sandbox
    this.#server = server
  }

  static async start(sandbox: Sandbox): Promise<LightDrush> {
    const server = createServer()
    const light = new LightDrush(sandbox, server)
    server.on('connection', (socket) => {
      socket.setEncoding('utf8').on('error', () => undefined)
      socket.once('data', (line: string) => {
        const [nid, at, pid] = line.trim().split(' ').map(Number) as [number, number, number]
        const begun = { nid, at: at * 1000, pid }
        light.begun.push(begun)
        light.onBegin(begun)
        void finish(sandbox.hostmaster, nid).finally(() => socket.end('\n'))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const file = sandbox.folder.writeFile('light-drush', SCRIPT(port))
    chmodSync(file, 0o755)
    sandbox.linkDrush(file)
    return light
  }

  /** Gives the place back to the stand-in. */
  stop(): void {
    this.#server.close()
    this.#sandbox.linkDrush()
  }
}

/** Parallel ones deadlock now and then, as real ones do. */
async function finish(hostmaster: Hostmaster, nid: number, tries = 5): Promise<void> {
  try {
    await hostmaster.transaction(async (connection) => {
      const vid = await insertRevision(connection, nid, 'done', now())
      const [rows] = await connection.query('SELECT task_type, rid FROM hosting_task WHERE nid = ? LIMIT 1', [nid])
      const [task] = rows as { task_type: string; rid: number }[]
      await insert(connection, 'hosting_task', { vid, nid, ...task, task_status: 1, executed: now(), delta: 0 })
      await connection.query('UPDATE node SET vid = ?, changed = ? WHERE nid = ?', [vid, now(), nid])
    })
  } catch (error) {
    if (tries === 0) throw error
    await finish(hostmaster, nid, tries - 1)
  }
}
