import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Read at a time; a flood of output must not keep the other tasks from being shown. */
const PIECE = 262_144
const PIECES_A_TURN = 8

/** A line that does not end is shown in parts of this size, in bytes. */
const LONGEST_LINE = 65_536

const NEWLINE = 0x0a

/** What trimOutput writes at the beginning of a file whose end it kept. */
const TRIMMED = /^\[skynet: (\d+) bytes removed here, [^\n]*\]\n/

/**
 * Reads the output file of a run as it grows, each line once. It holds the file, not its name: so it does not matter
 * that a settled run is moved to the history meanwhile. Where the daemon has cut the beginning off, it goes on at the
 * byte where it was.
 */
export class OutputFollower {
  readonly #fd: number
  #offset = 0
  /** What has been read of the line that is not complete. */
  #rest = Buffer.alloc(0)

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** undefined: there is no such file (any more). */
  static open(file: string): OutputFollower | undefined {
    try {
      return new OutputFollower(openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK))
    } catch {
      return undefined
    }
  }

  /** To be called once: the number of a closed file is given away again. */
  close(): void {
    closeSync(this.#fd)
  }

  /** The last complete lines that are there, or fewer; from then on what comes after them. */
  last(count: number): string[] {
    const { size } = fstatSync(this.#fd)
    this.#offset = Math.max(0, size - PIECE)
    const startsInMidst = this.#offset > 0
    const lines = this.read()
    // A line of which the beginning is missing may hold a secret that cannot be known as one.
    if (startsInMidst) lines.shift()
    return count === 0 ? [] : lines.slice(-count)
  }

  /** The lines that were completed since, as far as one turn goes. */
  read(): string[] {
    const lines: string[] = []
    for (let piece = 0; piece < PIECES_A_TURN; piece += 1) {
      if (fstatSync(this.#fd).size < this.#offset) this.#findAgain()
      const buffer = Buffer.alloc(PIECE)
      const read = readSync(this.#fd, buffer, 0, PIECE, this.#offset)
      this.#offset += read
      if (read > 0) this.#split(buffer.subarray(0, read), lines)
      if (read < PIECE) break
    }
    return lines
  }

  /** All that is left, when nobody writes any more. */
  readToEnd(): string[] {
    const lines: string[] = []
    for (let some = this.read(); some.length > 0; some = this.read()) lines.push(...some)
    if (this.#rest.length > 0) lines.push(this.#rest.toString('utf8'))
    this.#rest = Buffer.alloc(0)
    return lines
  }

  #split(bytes: Buffer, lines: string[]): void {
    let pending = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (let end = pending.indexOf(NEWLINE); end >= 0; end = pending.indexOf(NEWLINE)) {
      lines.push(pending.toString('utf8', 0, end))
      pending = pending.subarray(end + 1)
    }
    while (pending.length >= LONGEST_LINE) {
      lines.push(pending.toString('utf8', 0, LONGEST_LINE))
      pending = pending.subarray(LONGEST_LINE)
    }
    this.#rest = Buffer.from(pending)
  }

  /** The file is shorter than what was read of it: its beginning was removed, and a line says how much. */
  #findAgain(): void {
    const head = Buffer.alloc(256)
    const text = head.toString('latin1', 0, readSync(this.#fd, head, 0, head.length, 0))
    const match = TRIMMED.exec(text)
    const line = match?.[0].length ?? 0
    const now = match ? this.#offset - Number(match[1]) + line : 0
    if (now >= line && match) {
      this.#offset = now
      return
    }
    // More was removed than had been read: the line that says so is shown, and what was begun before it is not.
    this.#offset = 0
    this.#rest = Buffer.alloc(0)
  }
}

/** The last lines of an output file that nobody follows. */
export function lastOutputLines(file: string, count: number): string[] {
  const output = OutputFollower.open(file)
  if (!output) return []
  try {
    const lines = [...output.last(count), ...output.readToEnd()]
    return count === 0 ? [] : lines.slice(-count)
  } finally {
    output.close()
  }
}
