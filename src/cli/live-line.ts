import { cutTo } from './screen.js'

/**
 * A line on standard error that tells how it stands. On a terminal it is written anew in its place; elsewhere a line is
 * written each time that the state, and not only its age, is another.
 */
export class LiveLine {
  readonly #stream: NodeJS.WriteStream
  #shown = ''
  #state = ''

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** @param age what changes all the time: `for 5 s`; for a terminal alone */
  show(state: string, age = ''): void {
    if (!this.#stream.isTTY) {
      if (state !== this.#state) this.#stream.write(`${state}\n`)
      this.#state = state
      return
    }
    const text = age === '' ? state : `${state} ${age}`
    const fitting = cutTo(text, Math.max(10, (this.#stream.columns || 80) - 1))
    if (fitting !== this.#shown) this.#stream.write(`\r\u001b[K${fitting}`)
    this.#shown = fitting
  }

  /** Takes the line away, so that the result stands in its place. Idempotent. */
  end(): void {
    if (this.#stream.isTTY && this.#shown !== '') this.#stream.write('\r\u001b[K')
    this.#shown = ''
  }
}
