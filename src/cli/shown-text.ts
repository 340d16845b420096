import { printable } from '../observe/printable.js'
import { redact } from '../runner/run-output.js'

/** Longest line that is shown, in characters. */
const LONGEST_LINE = 4_000

/**
 * So much of a line is looked at for secrets before it is cut: a password of which the cut left only the beginning
 * would not be known as one.
 */
const LOOKED_AT = 65_536

/** A line of a task's log or output as it may be shown: no control characters, no secrets. */
export function shownLine(line: string): string {
  return cut(redact(plainOf(line)))
}

/** The lines of a text, each as it may be shown; without the empty ones at its end. */
export function shownLines(text: string): string[] {
  const masker = new LineMasker()
  return text
    .trimEnd()
    .split(/\r\n|\n|\r/)
    .map((line) => masker.shown(line))
}

/** Column from which on a word at the end of a line may have been broken: drush breaks its messages at 69 of 80. */
const BREAKS_FROM = 60

/** A login link, or a password in an address, of which the end is not on this line; drush puts its label behind it. */
const BROKEN_SECRET = /(?:\/user\/reset\/|[a-z][a-z0-9+.-]*:\/\/[^\s/@:]+:)([^\s@]*)(?=(?:\s+\[\w+\])?$)/i

/** Shows lines that follow one another: a secret that was broken at the end of a line goes on in the next one. */
export class LineMasker {
  #goesOn = false

  shown(line: string): string {
    let text = plainOf(line)
    if (this.#goesOn) {
      const [rest = ''] = /^\s*\S+/.exec(text) ?? []
      text = `…${text.slice(rest.length)}`
      // The whole of this line is of it, and there is more.
      if (text === '…' && rest.length >= BREAKS_FROM && !/@|\/login$/.test(rest)) return text
    }
    const broken = BROKEN_SECRET.exec(text)
    const [all = '', end = ''] = broken ?? []
    const isPort = /^\d*(\/|$)/.test(end) && !all.includes('/user/reset/')
    this.#goesOn = !!broken && !isPort && broken.index + all.length >= BREAKS_FROM && !all.endsWith('/login')
    if (this.#goesOn && broken) {
      const start = broken.index + all.length - end.length
      text = `${text.slice(0, start)}…${text.slice(start + end.length)}`
    }
    return cut(redact(text))
  }
}

function plainOf(line: string): string {
  return printable(line.replaceAll('\t', '  '), LOOKED_AT).trimEnd()
}

function cut(text: string): string {
  return text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text
}

/** Names of arguments whose values nobody may read over an operator's shoulder. */
const SECRET_NAME = /pass(w(or)?d|phrase)?|pwd|secret|token|credential|(api|private|access|ssh)[_-]?key|hash/i

/** The value of a task's argument as it may be shown. */
export function shownArgument(name: string, value: string): string {
  if (value === '') return ''
  return SECRET_NAME.test(name) ? '********' : shownLines(value).join(' ')
}
