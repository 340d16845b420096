import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asAccount } from './account.js'
import type { Sandbox } from './sandbox.js'
import { waitFor } from './wait-for.js'

/** A real terminal, in tmux, with a shell in it; it ends with the sandbox at the latest. */
export class Terminal {
  static #opened = 0
  readonly #sandbox: Sandbox
  /** Each has a tmux server of its own: one that is told to end goes on for a moment. */
  readonly #socket: string
  readonly #output: string

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox
    Terminal.#opened += 1
    this.#socket = join(sandbox.folder.path, `terminal-${Terminal.#opened}`)
    this.#output = `${this.#socket}.output`
  }

  static open(sandbox: Sandbox, { columns = 80, rows = 24 } = {}): Terminal {
    const terminal = new Terminal(sandbox)
    const size = ['-x', String(columns), '-y', String(rows)]
    // The shell's own way of beginning a line is not to look like anything of ours.
    terminal.#tmux(['new-session', '-d', '-s', 'main', ...size, 'env PS1="READY " sh'])
    // All bytes that are written to the terminal from now on.
    terminal.#tmux(['pipe-pane', '-t', 'main', '-O', `cat >> '${terminal.#output}'`])
    return terminal
  }

  /** What stands on the screen, line by line, without blanks at the end. */
  screen(): string[] {
    const lines = this.#tmux(['capture-pane', '-t', 'main', '-p']).split('\n')
    return lines.slice(0, -1).map((line) => line.trimEnd())
  }

  /** Lines that have scrolled off the screen. */
  scrolledOff(): number {
    return Number(this.#ask('history_size'))
  }

  /** Whether a program has the whole screen to itself, and whether it shows the cursor. */
  state(): { alternate: boolean; cursor: boolean; wrap: boolean } {
    const [alternate, cursor, wrap] = this.#ask('alternate_on} #{cursor_flag} #{wrap_flag').split(' ')
    return { alternate: alternate === '1', cursor: cursor === '1', wrap: wrap === '1' }
  }

  /** Everything that programs have written to it, escape sequences included. */
  written(): string {
    return existsSync(this.#output) ? readFileSync(this.#output, 'utf8') : ''
  }

  /** Presses keys, as tmux names them: `q`, `C-c`, `Enter`. */
  press(...keys: string[]): void {
    this.#tmux(['send-keys', '-t', 'main', ...keys])
  }

  /** Types a command and enters it. */
  enter(command: string): void {
    this.#tmux(['send-keys', '-t', 'main', '-l', command])
    this.press('Enter')
  }

  resize(columns: number, rows: number): void {
    this.#tmux(['resize-window', '-t', 'main', '-x', String(columns), '-y', String(rows)])
  }

  /** Waits until the screen is as wanted. */
  waitFor(what: string, fits: (lines: string[]) => boolean, timeoutMs = 30_000): Promise<string[]> {
    const look = () => {
      const lines = this.screen()
      return fits(lines) && lines
    }
    return waitFor(look, { what, timeoutMs, lastSeen: () => this.screen().join('\n') })
  }

  close(): void {
    this.#tmux(['kill-server'])
  }

  #ask(variable: string): string {
    return this.#tmux(['display-message', '-t', 'main', '-p', `#{${variable}}`]).trim()
  }

  #tmux(args: string[]): string {
    const { folder, environment, home } = this.#sandbox
    const result = spawnSync('tmux', ['-u', '-S', this.#socket, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      cwd: home,
      env: { ...environment, TERM: 'xterm-256color' },
      ...asAccount(folder.account),
    })
    if (result.status === 0) return result.stdout
    throw new Error(`tmux ${args[0] ?? ''} failed: ${result.error?.message ?? result.stderr}`)
  }
}
