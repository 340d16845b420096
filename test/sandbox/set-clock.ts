import type { DaemonProcess } from './daemon-process.js'
import { PATIENCE_MS } from './leader.js'
import type { Sandbox } from './sandbox.js'

/** A clock for daemons that a test sets, and that then goes on at its own speed; every daemon of the sandbox has it. */
export class SetClock {
  readonly #sandbox: Sandbox
  #ahead = 0

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox
    this.#write()
  }

  now(): number {
    return Date.now() + this.#ahead
  }

  /** @param moment as Date.parse takes it, or milliseconds since 1970. */
  set(moment: string | number): void {
    this.#ahead = (typeof moment === 'number' ? moment : Date.parse(moment)) - Date.now()
    this.#write()
  }

  startDaemon(args: string[] = []): DaemonProcess {
    return this.#sandbox.startFastDaemon(1, args, { SANDBOX_CLOCK_SET: `${this.#sandbox.home}/clock` })
  }

  /** Starts a daemon and waits until it leads. */
  async startLeader(args: string[] = []): Promise<DaemonProcess> {
    const daemon = this.startDaemon(args)
    await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
    return daemon
  }

  #write(): void {
    this.#sandbox.folder.writeFile('home/clock', String(this.#ahead))
  }
}
