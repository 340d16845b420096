import { spawn, type ChildProcess } from 'node:child_process'
import type { Exit, ProcessSpec } from './daemon-process.js'
import { waitFor } from './wait-for.js'

/** A program in a pseudo terminal, which script(1) gives it; what is typed there, and what stands on its screen. */
export class PseudoTerminal {
  /** All that was written to the screen, escape sequences and all. */
  screen = ''
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess

  constructor({ command, args, ...options }: ProcessSpec) {
    const line = [command, ...args].join(' ')
    const words = ['--quiet', '--flush', '--return', '--command', line, '/dev/null']
    this.#child = spawn('script', words, { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.screen += text))
    // A program that has ended reads no more; the test sees it by the screen.
    this.#child.stdin?.on('error', () => undefined)
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
    this.exited.catch((error: unknown) => (this.screen += String(error)))
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  waitUntil(fits: (screen: string) => boolean, what: string, timeoutMs = 30_000): Promise<true> {
    return waitFor(() => fits(this.screen), {
      what,
      timeoutMs,
      lastSeen: () => JSON.stringify(this.screen.slice(-2_000)),
    })
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}
