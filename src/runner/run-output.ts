import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, readSync, writeSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

/** The last bytes of a run's output as text; bytes that are not UTF-8 become U+FFFD. '' where there is none. */
export function readOutputEnd(file: string, bytes: number): string {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(fd)
    const buffer = Buffer.alloc(Math.min(bytes, size))
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8', 0, read)
  } finally {
    closeSync(fd)
  }
}

/** drush's own refusals; it prints them last, coloured, and leaves the task alone. */
const REFUSAL = /This task is (already running|not queued), use --force/

/** What drush's own guard said when it refused the task; undefined: it did not refuse. */
export function refusalIn(output: string): 'already running' | 'not queued' | undefined {
  const match = REFUSAL.exec(stripVTControlCharacters(output))
  return match ? (match[1] as 'already running' | 'not queued') : undefined
}

/** What drush prints when it refuses every command, whatever the task. */
const MACHINE_FAULTS = [/load on system too heavy[^\n]*/, /not able to start \(bootstrap\) the Drupal database/]

/** Why drush could not have begun any task at that moment; undefined: its output does not say so. */
export function machineFaultIn(output: string): string | undefined {
  const plain = stripVTControlCharacters(output)
  const found = MACHINE_FAULTS.map((fault) => fault.exec(plain)?.[0]).find((text) => text !== undefined)
  return found && `drush said: ${found.replace(/\s+/g, ' ').trim()}`
}

/**
 * Keeps the end of an output file that grew beyond its limit, with a line that says so: the end is moved to the front
 * in small pieces and the rest cut off. The child goes on appending meanwhile; what it writes in the moment between the
 * last piece and the cut falls to the cut as well.
 *
 * @returns bytes that were removed; 0 when the file is within the limit.
 */
export function trimOutput(file: string, limit: number): number {
  let fd: number
  try {
    if (lstatSync(file).size <= limit) return 0
    fd = openSync(file, constants.O_RDWR | constants.O_NOFOLLOW)
  } catch {
    return 0
  }
  try {
    const { size } = fstatSync(fd)
    if (size <= limit) return 0
    let source = size - Math.floor(limit / 2)
    const removed = source
    const line = `[skynet: ${removed} bytes removed here, the output grew beyond ${limit} bytes]\n`
    let target = writeSync(fd, line, 0)
    const piece = Buffer.alloc(65_536)
    for (;;) {
      const read = readSync(fd, piece, 0, piece.length, source)
      if (read === 0) break
      writeSync(fd, piece, 0, read, target)
      source += read
      target += read
    }
    ftruncateSync(fd, target)
    return removed
  } finally {
    closeSync(fd)
  }
}

/** One-time login links and credentials in addresses: whoever reads output must not be able to use them. */
const SECRETS: [RegExp, string][] = [
  [/\/user\/reset\/[^\s"'<>]+/g, '/user/reset/…'],
  [/(https?:\/\/[^\s"'<>]*?)\/[^\s"'<>/]+\/login\b/g, '$1/…/login'],
  // To the last @ of the word: a password may hold one itself.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]+:\S+@/gi, '$1…:…@'],
]

export function redact(text: string): string {
  return SECRETS.reduce((redacted, [pattern, replacement]) => redacted.replace(pattern, replacement), text)
}
