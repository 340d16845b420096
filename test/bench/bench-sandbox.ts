import { leaderLockName } from '../../src/hostmaster/leader-lock.js'
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
  await untilAwake(sandbox)
  return daemon
}

/**
 * Does something while the daemon is frozen, after which it leads and is awake again. From one that is frozen for half a
 * minute the server takes the leader lock.
 */
export async function whileFrozen<Result>(
  { sandbox }: Bench,
  daemon: DaemonProcess,
  work: () => Promise<Result>,
): Promise<Result> {
  process.kill(daemon.pid, 'SIGSTOP')
  try {
    return await work()
  } finally {
    process.kill(daemon.pid, 'SIGCONT')
    const isLed = async () => (await leaderConnection(sandbox)) !== null
    await sandbox.waitFor(isLed, { what: 'the leader lock', timeoutMs: PATIENCE_MS })
    await untilAwake(sandbox)
  }
}

async function leaderConnection({ hostmaster }: Sandbox): Promise<number | null> {
  const name = leaderLockName(hostmaster.credentials.db)
  const [holder] = await hostmaster.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [name])
  return holder?.id ?? null
}

/** Whether nothing of any run is left to be done: claims stand until a run is settled. */
export async function isSettled({ hostmaster }: Sandbox): Promise<boolean> {
  const rows = await hostmaster.semaphore()
  return !rows.some(({ name }) => name.startsWith('skynet_run_'))
}

function untilAwake(sandbox: Sandbox): Promise<unknown> {
  const isAwake = () =>
    wake(sandbox.home).then(
      () => true,
      () => false,
    )
  return sandbox.waitFor(isAwake, { what: 'the wake socket' })
}

/** Milliseconds since 1970, with a fraction. */
export const clock = (): number => performance.timeOrigin + performance.now()
