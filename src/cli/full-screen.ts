import type { ReadStream, WriteStream } from 'node:tty'
import { cutTo } from './screen.js'

const ESC = '\u001b['

/** The alternate screen keeps what stood on the terminal before; the cursor is hidden, and no line wraps. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`

/** Terminals that know synchronized updates show a frame at once; the others ignore these. */
const BEGIN_FRAME = `${ESC}?2026h`
const END_FRAME = `${ESC}?2026l`
const CLEAR_TO_END_OF_LINE = `${ESC}K`

/** In raw mode Ctrl-C is a character like any other. */
const CTRL_C = '\u0003'

export interface FullScreenEvents {
  /** A key was pressed; `ctrl-c`, or the character. */
  key: (key: string) => void
  /** The terminal has another size: what was drawn is gone. */
  resized: () => void
}

/**
 * A terminal of which a program has the whole screen to itself. A frame rewrites only the lines that changed and clears
 * nothing first, so that nothing flickers; it never has more lines than the terminal, so that nothing scrolls.
 */
export class FullScreen {
  readonly #input: ReadStream | undefined
  readonly #output: WriteStream
  readonly #events: FullScreenEvents
  #drawn: string[] = []
  #isOpen = false

  /** @param input where keys come from; undefined: there is no keyboard. */
  constructor(input: ReadStream | undefined, output: WriteStream, events: FullScreenEvents) {
    this.#input = input
    this.#output = output
    this.#events = events
  }

  get size(): { columns: number; rows: number } {
    const { columns, rows } = this.#output
    // A terminal that does not say its size says 0.
    return { columns: columns || 80, rows: rows || 24 }
  }

  /** Idempotent. */
  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#output.write(ENTER)
    this.#output.on('resize', this.#resize)
    this.#input?.setRawMode(true)
    this.#input?.setEncoding('utf8').on('data', this.#read).resume()
  }

  /** Gives the terminal back as it was; idempotent. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#input?.off('data', this.#read).pause().setRawMode(false)
    this.#output.off('resize', this.#resize)
    this.#output.write(LEAVE)
  }

  /**
   * Shows these lines; what does not fit below is counted in the last row. The last column stays free: who erases the
   * rest of a full line takes its last character away.
   */
  draw(lines: readonly string[]): void {
    const { columns, rows } = this.size
    const shown =
      lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]
    const cut = shown.map((line) => cutTo(line, columns - 1))
    let changes = ''
    for (let row = 0; row < Math.max(cut.length, this.#drawn.length); row += 1) {
      const line = cut[row] ?? ''
      if (line !== this.#drawn[row]) changes += `${ESC}${row + 1};1H${line}${CLEAR_TO_END_OF_LINE}`
    }
    this.#drawn = cut
    if (changes !== '') this.#output.write(`${BEGIN_FRAME}${changes}${END_FRAME}`)
  }

  readonly #read = (text: string): void => {
    for (const character of text) this.#events.key(character === CTRL_C ? 'ctrl-c' : character)
  }

  readonly #resize = (): void => {
    // Whatever the terminal has kept of the old lines, every row is written anew, with blanks for those that are gone.
    this.#drawn = Array.from({ length: this.size.rows }, () => '\u0000')
    this.#events.resized()
  }
}
