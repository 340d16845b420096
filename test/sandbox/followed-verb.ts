import { spawn, type ChildProcess } from 'node:child_process'
import type { Exit, ProcessSpec } from './daemon-process.js'
import { waitFor } from './wait-for.js'

/** A line of a verb's standard output, and when it came (milliseconds since 1970). */
export interface SaidLine {
  text: string
  at: number
}

/** A verb that goes on until it is ended, such as `skynet tail --follow`. */
export class FollowedVerb {
  readonly said: SaidLine[] = []
  stderr = ''
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess

  constructor({ command, args, ...options }: ProcessSpec) {
    this.#child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const at = Date.now()
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.said.push(...lines.map((line) => ({ text: line, at })))
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
    this.exited.catch((error: unknown) => (this.stderr += String(error)))
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  /** Reads no more of what it says. */
  stopListening(): void {
    this.#child.stdout?.destroy()
  }

  /** Waits until it has said what fits. */
  waitUntil(fits: (verb: this) => boolean, what: string, timeoutMs = 30_000): Promise<true> {
    const lastSeen = () =>
      `${this.stderr}\n${this.said
        .slice(-10)
        .map(({ text }) => text)
        .join('\n')}`
    return waitFor(() => fits(this), { what, timeoutMs, lastSeen })
  }
}
