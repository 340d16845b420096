import assert from 'node:assert/strict'
import type { Status } from '../../src/daemon/status.js'
import type { DaemonProcess, LogEntry } from './daemon-process.js'
import type { ConfigSections, Sandbox } from './sandbox.js'

/** A busy machine makes neither a daemon nor a task fail; it only makes them late. */
export const PATIENCE_MS = 30_000

/** Writes skynet.conf for quick tests: polls often, and never finds the machine that runs the tests too busy. */
export function configure(sandbox: Sandbox, sections: ConfigSections = {}): void {
  const { queue, ...others } = sections
  sandbox.writeConfig({ queue: { poll_interval: '50ms', max_load: 1000, ...queue }, ...others })
}

/** Starts a daemon and waits until it leads. */
export async function startLeader(
  sandbox: Sandbox,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<DaemonProcess> {
  const daemon = sandbox.startDaemon(args, env)
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  return daemon
}

/** Ends a daemon as its supervisor does; it must leave in order, and must not have met anything unexpected. */
export async function stopDaemon(daemon: DaemonProcess): Promise<void> {
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.exited, { code: 0, signal: null }, daemon.lastWords())
  assert.deepEqual(faultsOf(daemon), [])
}

/** Lines that no test expects: faults of Skynet's own, and database errors that its table does not know. */
export function faultsOf(daemon: DaemonProcess): LogEntry[] {
  return daemon.logs.filter(({ level, kind }) => level === 'error' || level === 'fatal' || kind === 'unexpected')
}

/** What `skynet status --json` prints. */
export async function readStatus(sandbox: Sandbox): Promise<Status> {
  const { stdout, stderr } = await sandbox.skynet(['status', '--json'])
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout) as Status
}

/** Waits until `skynet status --json` prints what fits. */
export function waitForStatusOf(sandbox: Sandbox, what: string, fits: (status: Status) => boolean): Promise<Status> {
  const look = async () => {
    const status = await readStatus(sandbox)
    return fits(status) && status
  }
  return sandbox.waitFor(look, { what, timeoutMs: PATIENCE_MS })
}

/** Lines with this message, of this task where a nid is given. */
export function linesOf(daemon: DaemonProcess, msg: string, nid?: number): LogEntry[] {
  return daemon.logs.filter((entry) => entry.msg === msg && (nid === undefined || entry['nid'] === nid))
}
