import { spawn, type ChildProcess } from 'node:child_process'
import { waitFor } from './wait-for.js'

/** One line of Skynet's log. */
export interface LogEntry {
  level: number | string
  msg: string
  time?: number | string
  [field: string]: unknown
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ProcessSpec {
  command: string
  args: string[]
  cwd: string
  env: Record<string, string>
  uid?: number
  gid?: number
}

/** A `skynet queued` in the foreground, with all that it has said. */
export class DaemonProcess {
  /** Lines of its standard output that are JSON objects. */
  readonly logs: LogEntry[] = []
  /** Lines of its standard output that are not. */
  readonly otherOutput: string[] = []
  stderr = ''
  /** Settled when the process has ended and all of its output is read. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  #exit: Exit | undefined

  constructor(spec: ProcessSpec) {
    const { command, args, ...options } = spec
    this.#child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        if (rest !== '') this.#take(rest)
        this.#exit = { code, signal }
        resolve(this.#exit)
      })
    })
    // Who awaits `exited` still sees the error; who does not is not to be ended by it.
    this.exited.catch((error: unknown) => (this.stderr += String(error)))
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`The daemon was not started: ${this.stderr}`)
    return this.#child.pid
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  /** As `exited`, but a daemon that does not end fails the test that waits for it. */
  waitForExit({ timeoutMs = 30_000 } = {}): Promise<Exit> {
    return waitFor(() => this.#exit, { what: 'the end of the daemon', timeoutMs, lastSeen: () => this.lastWords() })
  }

  /** The first line that fits, from now on or already there; fails early when the daemon ends without one. */
  waitForLog(
    fits: string | ((entry: LogEntry) => boolean),
    { timeoutMs = 10_000, what }: { timeoutMs?: number; what?: string } = {},
  ): Promise<LogEntry> {
    const test = typeof fits === 'string' ? (entry: LogEntry) => entry.msg === fits : fits
    const description = what ?? (typeof fits === 'string' ? `the log line “${fits}”` : 'a log line')
    return waitFor(
      () => {
        const found = this.logs.find(test)
        if (!found && this.#exit) {
          throw new Error(
            `The daemon ended (${JSON.stringify(this.#exit)}) before ${description}.\n${this.lastWords()}`,
          )
        }
        return found
      },
      { what: description, timeoutMs, lastSeen: () => this.lastWords() },
    )
  }

  /** The end of all that it said, for the message of a failed test. */
  lastWords(count = 12): string {
    const lines = [...this.logs.slice(-count).map((entry) => JSON.stringify(entry)), ...this.otherOutput.slice(-count)]
    return `The daemon's last words:\n${lines.join('\n')}\n${this.stderr.slice(-2000)}`
  }

  #take(line: string): void {
    try {
      const entry: unknown = JSON.parse(line)
      if (typeof entry === 'object' && entry !== null) {
        this.logs.push(entry as LogEntry)
        return
      }
    } catch {
      // Not a line of the log.
    }
    this.otherOutput.push(line)
  }
}
