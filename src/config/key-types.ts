import * as v from 'valibot'
import { CONTROL, readPath, type Reading } from './path-value.js'
import { parseDuration, parseSize } from './quantity.js'

/**
 * The kinds of value that a key of skynet.conf can have. Each reads the text of the file and gives the value, or says
 * what it must be. A sentence from here never holds the text itself: it could be a password in the wrong place.
 */

function kind<T>(read: (text: string) => Reading<T>) {
  return v.pipe(
    v.string('is missing'),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const reading = read(dataset.value)
      if ('value' in reading) return reading.value
      addIssue({ message: `must be ${reading.must}` })
      return NEVER
    }),
  )
}

/** The same kind, where one word (`none`, `auto`) stands for null. */
function nullable<T>(word: string, read: (text: string) => Reading<T | null>) {
  return kind<T | null>((text) => {
    if (text === word) return { value: null }
    const reading = read(text)
    return 'value' in reading ? reading : { must: `${reading.must}, or ${word}` }
  })
}

/** Any characters at all, none included: a password. */
export const secret = () => kind((text) => ({ value: text }))

/** A name or an address. */
export const word = () =>
  kind((text) =>
    text !== '' && !CONTROL.test(text) && text.trim() === text
      ? { value: text }
      : { must: 'a name: not empty, without control characters or blanks at its ends' },
  )

/** A database user's name: blanks belong to it, at its ends too. */
export const userName = () =>
  kind((text) =>
    text !== '' && !CONTROL.test(text) ? { value: text } : { must: 'a name: not empty, without control characters' },
  )

export const matching = (pattern: RegExp, must: string) =>
  kind((text) => (pattern.test(text) ? { value: text } : { must }))

export const choice = <const T extends string>(...words: T[]) =>
  kind<T>((text) => {
    const found = words.find((each) => each === text)
    return found === undefined ? { must: `one of ${words.join(', ')}` } : { value: found }
  })

/** Words out of a list, with commas between them. */
export const listOf = <const T extends string>(...words: T[]) =>
  kind<T[]>((text) => {
    const found = text.split(',').map((each) => words.find((known) => known === each.trim()))
    return found.every((each) => each !== undefined)
      ? { value: found }
      : { must: `a list, with commas, of ${words.join(', ')}` }
  })

const YES_NO = new Map([
  ...['yes', 'true', 'on', '1'].map((text) => [text, true] as const),
  ...['no', 'false', 'off', '0'].map((text) => [text, false] as const),
])

export const yesNo = () =>
  kind((text) => {
    const value = YES_NO.get(text.toLowerCase())
    return value === undefined ? { must: 'yes or no (also true, false, on, off, 1, 0)' } : { value }
  })

export const integer = (least: number, most: number) =>
  kind((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    return value >= least && value <= most ? { value } : { must: `a whole number from ${least} to ${most}` }
  })

/** A decimal number above 0; `auto` gives what the caller computed. */
export const positiveOrAuto = (auto: number) =>
  kind((text) => {
    const value = text === 'auto' ? auto : /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN
    return value > 0 ? { value } : { must: 'a number above 0, or auto' }
  })

interface Limits {
  least: string
  most: string
}

function quantity(parse: (text: string) => number | null, form: string, { least, most }: Limits) {
  const [low, high] = [parse(least) ?? 0, parse(most) ?? Infinity]
  return (text: string): Reading<number> => {
    const value = parse(text)
    return value !== null && value >= low && value <= high ? { value } : { must: `${form}, from ${least} to ${most}` }
  }
}

const DURATION = 'a number with its unit (ms, s, m, h or d)'
const SIZE = 'a number of bytes or one with its unit (K, M or G)'

/** In milliseconds. */
export const duration = (limits: Limits) => kind(quantity(parseDuration, DURATION, limits))
export const durationOrNone = (limits: Limits) => nullable('none', quantity(parseDuration, DURATION, limits))

/** In bytes. */
export const size = (limits: Limits) => kind(quantity(parseSize, SIZE, limits))

/** `sun_path` of a Unix socket's address holds 108 bytes, the last one NUL. */
const LONGEST_SOCKET_PATH = 107

function readSocketPath(text: string, home: string): Reading<string> {
  const reading = readPath(text, home)
  return 'value' in reading && Buffer.byteLength(reading.value) > LONGEST_SOCKET_PATH
    ? { must: `at most ${LONGEST_SOCKET_PATH} bytes long, which is all that the path of a socket can be` }
    : reading
}

export const path = (home: string) => kind((text) => readPath(text, home))
export const pathOrNone = (home: string) => nullable('none', (text) => readPath(text, home))
export const socketPath = (home: string) => kind((text) => readSocketPath(text, home))
/** The module writes an empty text where PHP uses no socket. */
export const socketPathOrAuto = (home: string) =>
  nullable('auto', (text) => (text === '' ? { value: null } : readSocketPath(text, home)))

const LISTEN = /^(?:[A-Za-z0-9](?:[\w.-]*\w)?|(?:\d{1,3}\.){3}\d{1,3}|\[[\da-fA-F:.]{2,45}\]):(\d{1,5})$/

/** Where a server listens: HOST:PORT, or the path of a Unix socket. */
export const listenOrNone = (home: string) =>
  nullable('none', (text) => {
    if (text.startsWith('/') || text.startsWith('~')) return readSocketPath(text, home)
    const port = Number(LISTEN.exec(text)?.[1])
    return port >= 1 && port <= 65_535
      ? { value: text }
      : { must: 'HOST:PORT (127.0.0.1:9464, [::1]:9464) or the absolute path of a socket' }
  })

/** A program: a bare name that PATH finds, or a path. Never a command line: drush is started without a shell. */
export const program = (home: string) =>
  kind((text) => {
    if (/^[^\s/~-][^\s/]*$/.test(text) && !CONTROL.test(text)) return { value: text }
    const reading = readPath(text, home)
    return 'value' in reading
      ? reading
      : { must: 'one program, without arguments: a name that PATH finds, or an absolute path' }
  })

/** A time zone by its name in the tz database; `auto` gives null: which one that is, is looked for where it is needed. */
export const timeZoneOrAuto = () =>
  kind((text) => {
    if (text === 'auto') return { value: null }
    try {
      return { value: new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone }
    } catch {
      return { must: 'a time zone such as Europe/Berlin or UTC, or auto' }
    }
  })
