import { wake } from '../sandbox/demo-wake.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { configure } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { buildWorld, type World } from '../sandbox/world.js'

export const PATIENCE_MS = 300_000

export interface Bench extends AsyncDisposable {
  sandbox: Sandbox
  world: World
}

/** So many servers and platforms that no limit of theirs is met, and a server that counts what each user does. */
export async function benchSandbox(sites: number): Promise<Bench> {
  const sandbox = await Sandbox.create({ databaseOptions: ['--userstat=1'] })
  const world = await buildWorld(sandbox, { servers: 15, packed: 0, platforms: 64, sites: sites + 1 })
  return { sandbox, world, [Symbol.asyncDispose]: () => sandbox.close() }
}

/** As the module writes it where Aegir's database is on the same machine: by the server's Unix socket. */
export function configureBench(sandbox: Sandbox, queue: Record<string, string | number>): void {
  const { socket } = sandbox.hostmaster.credentials
  configure(sandbox, { database: { ...sandbox.databaseSection(), host: 'localhost', socket }, queue })
}

/** A daemon that leads and whose wake socket is there. */
export async function awakeLeader(sandbox: Sandbox, nodeOptions: string[] = []): Promise<DaemonProcess> {
  const daemon = sandbox.startDaemon([], {}, nodeOptions)
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const isAwake = () =>
    wake(sandbox.home).then(
      () => true,
      () => false,
    )
  await sandbox.waitFor(isAwake, { what: 'the wake socket' })
  return daemon
}

/** Milliseconds since 1970, with a fraction. */
export const clock = (): number => performance.timeOrigin + performance.now()
