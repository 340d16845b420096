import { isUtf8 } from 'node:buffer'
import { unsafe } from 'ini'

/**
 * The INI form of skynet.conf. The `ini` package says what a value means, but it reports nothing: it skips lines that
 * it does not understand, cuts a value at `;` or `#`, and lets the last one of two equal keys win. A password that is
 * cut in silence costs a night. So each line is looked at here, and wherever the package would change what is written,
 * that is a fault which tells to put the value in double quotes, where it is a JSON string and can hold anything.
 *
 * No fault holds any text of the file, not even a name: a broken line could be the one with the password, or its rest.
 */

export interface IniEntry {
  section: string
  key: string
  value: string
  line: number
}

export interface IniFault {
  /** 0: the file as a whole. */
  line: number
  message: string
}

export interface IniFile {
  entries: IniEntry[]
  /** Line of each section's head, also of those without keys. */
  sections: Map<string, number>
  faults: IniFault[]
}

const BLANK_OR_COMMENT = /^\s*([;#]|$)/
const SECTION = /^\s*\[([^[\]]*)\]\s*([;#]|$)/

/** Reads all lines, also behind a fault, so that one look shows everything that is wrong. */
export function readIni(bytes: Uint8Array): IniFile {
  const file: IniFile = { entries: [], sections: new Map(), faults: [] }
  const fault = (line: number, message: string) => void file.faults.push({ line, message })
  if (!isUtf8(bytes)) {
    fault(0, 'is not UTF-8 text; a value with other bytes cannot be read')
    return file
  }

  const keys = new Map<string, number>()
  let section: string | null = null
  for (const [index, text] of new TextDecoder().decode(bytes).split(/\r?\n/).entries()) {
    const line = index + 1
    if (/[\0\r]/.test(text)) {
      fault(line, `holds a ${text.includes('\0') ? 'NUL character' : 'carriage return inside the line'}`)
      continue
    }
    if (BLANK_OR_COMMENT.test(text)) continue

    const head = SECTION.exec(text)
    if (head !== null) {
      section = head[1]?.trim() ?? ''
      const before = file.sections.get(section)
      if (before === undefined) file.sections.set(section, line)
      else fault(line, `is the same section as on line ${before}`)
      continue
    }

    const equals = text.indexOf('=')
    const key = text.slice(0, Math.max(equals, 0)).trim()
    const raw = text
      .slice(equals + 1)
      .replace(/^[ \t]+/, '')
      .trimEnd()
    if (key === '' || key.startsWith('[')) {
      fault(line, 'is neither blank, nor a comment (; or #), nor [section], nor key = value')
    } else if (section === null) {
      fault(line, 'stands before the first [section]')
    } else {
      const name = JSON.stringify([section, key])
      const before = keys.get(name)
      if (before !== undefined) fault(line, `sets the same key as line ${before}`)
      else keys.set(name, line)
      const reading = readValue(raw)
      if ('fault' in reading) fault(line, `the value ${reading.fault}`)
      else if (before === undefined) file.entries.push({ section, key, value: reading.value, line })
    }
  }
  return file
}

const IN_QUOTES = 'put it in double quotes, with \\" for a quote and \\\\ for a backslash in it'

function readValue(raw: string): { value: string } | { fault: string } {
  // The file of a writer that got no further ends like this.
  if (raw === '') return { fault: 'is missing; if it is meant to be empty, write ""' }
  const first = raw.charAt(0)
  const last = raw.length > 1 ? raw.slice(-1) : ''
  if (first === '"' && last === '"') {
    // `unsafe` gives back what it got where that is not JSON.
    const value: unknown = unsafe(raw)
    return typeof value === 'string' && value !== raw
      ? { value }
      : { fault: 'is not well quoted: within double quotes, write \\" for a quote and \\\\ for a backslash' }
  }
  if (first === "'" && last === "'") {
    // Not through `unsafe`: it would read what stands in single quotes as JSON.
    const value = raw.slice(1, -1)
    return value.includes("'") ? { fault: `holds a single quote within single quotes; ${IN_QUOTES}` } : { value }
  }
  if (/^["']|["']$/.test(raw)) {
    return { fault: `has a quote at one end only (is the line cut off, or a comment behind it?); ${IN_QUOTES}` }
  }
  return unsafe(raw) === raw
    ? { value: raw }
    : { fault: `holds ; or # or \\\\ or unusual blanks, which readers of INI files change; ${IN_QUOTES}` }
}

/** A value as `readIni` reads it back, quoted where it must be. */
export function writeIniValue(value: string): string {
  const reading = /[\0\r\n]/.test(value) || value.trim() !== value ? { fault: '' } : readValue(value)
  return 'value' in reading && reading.value === value ? value : JSON.stringify(value)
}
