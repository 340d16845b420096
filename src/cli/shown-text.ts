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
  const text = redact(printable(line.replaceAll('\t', '  '), LOOKED_AT)).trimEnd()
  return text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text
}

/** The lines of a text, each as it may be shown; without the empty ones at its end. */
export function shownLines(text: string): string[] {
  return text
    .trimEnd()
    .split(/\r\n|\n|\r/)
    .map(shownLine)
}

/** Names of arguments whose values nobody may read over an operator's shoulder. */
const SECRET_NAME = /pass(w(or)?d|phrase)?|pwd|secret|token|credential|(api|private|access|ssh)[_-]?key|hash/i

/** The value of a task's argument as it may be shown. */
export function shownArgument(name: string, value: string): string {
  if (value === '') return ''
  return SECRET_NAME.test(name) ? '********' : shownLines(value).join(' ')
}
