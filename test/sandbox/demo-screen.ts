import { clearScreenDown, cursorTo, moveCursor } from 'node:readline'
import { stripVTControlCharacters, styleText } from 'node:util'

type Colour = 'green' | 'yellow' | 'red' | 'cyan' | 'bold' | 'dim'

/** Lines that stay, and on a terminal below them those of what is under way, drawn anew at every change. */
export class DemoScreen {
  readonly #out: NodeJS.WriteStream
  readonly #isLive: boolean
  readonly #isColoured: boolean
  #rows: string[] = []
  #drawn = 0

  constructor(out: NodeJS.WriteStream, environment: NodeJS.ProcessEnv) {
    this.#out = out
    this.#isLive = out.isTTY && environment['TERM'] !== 'dumb'
    this.#isColoured = this.#isLive && !environment['NO_COLOR']
  }

  paint(colour: Colour, text: string): string {
    return this.#isColoured ? styleText(colour, text, { validateStream: false }) : text
  }

  /** Lines that stay. */
  say(text = ''): void {
    this.#erase()
    this.#out.write(`${text}\n`)
    this.#draw()
  }

  /** What is under way; nothing is shown of it where nobody could see it change. */
  underWay(rows: string[]): void {
    if (!this.#isLive) return
    this.#erase()
    this.#rows = rows
    this.#draw()
  }

  #erase(): void {
    if (this.#drawn === 0) return
    cursorTo(this.#out, 0)
    moveCursor(this.#out, 0, -this.#drawn)
    clearScreenDown(this.#out)
    this.#drawn = 0
  }

  /** A row that wraps would take two lines, and the way back up would be too short. */
  #draw(): void {
    const width = (this.#out.columns || 80) - 1
    for (const row of this.#rows) {
      const fits = stripVTControlCharacters(row).length <= width
      this.#out.write(`${fits ? row : stripVTControlCharacters(row).slice(0, width)}\n`)
    }
    this.#drawn = this.#rows.length
  }
}
