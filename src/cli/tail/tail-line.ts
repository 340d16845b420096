import { pad, widthOf, type Screen, type Style } from '../screen.js'
import { timeOfDay } from '../moment.js'
import { shownLine, shownLines } from '../shown-text.js'

/** Something to show of a task: a row of its log, a line of its output, or what Skynet has to say about it. */
export interface TailLine {
  nid: number
  /** Type and name of the object, as they may be shown. */
  type: string
  object: string
  source: 'log' | 'output' | 'skynet'
  /** Type of the log row; null for the other sources. */
  log_type: string | null
  /** When it was logged, to the second, or seen; null for output of which only the end is shown. */
  time: number | null
  /** Without control characters and secrets. A log row may have several lines. */
  text: string
}

type Task = Pick<TailLine, 'nid' | 'type' | 'object'>

export function logLine(
  task: Task,
  row: { type: string; message: string; error: string; timestamp: number },
): TailLine {
  const code = row.error === '' || row.error === '0' ? '' : ` (${shownLine(row.error)})`
  const text = shownLines(row.message).join('\n') + code
  return { ...taskOf(task), source: 'log', log_type: shownLine(row.type), time: row.timestamp * 1000, text }
}

/** @param text as it may be shown */
export function outputLine(task: Task, text: string, time: number | null): TailLine {
  return { ...taskOf(task), source: 'output', log_type: null, time, text }
}

export function skynetLine(task: Task, text: string, time: number): TailLine {
  return { ...taskOf(task), source: 'skynet', log_type: null, time, text }
}

function taskOf({ nid, type, object }: Task): Task {
  return { nid, type, object }
}

const LOG_STYLES: Record<string, Style> = {
  error: 'red',
  failed: 'red',
  warning: 'yellow',
  success: 'green',
  ok: 'green',
  completed: 'green',
  queue: 'cyan',
  status: 'cyan',
  command: 'magenta',
}

/** Types of log rows that are longer than this push their text to the right. */
const TYPE_WIDTH = 8

/** Turns lines into text for people: time, task (where there are several), type, text. */
export class TailPrinter {
  readonly #screen: Screen
  readonly #namesTasks: boolean
  #nameWidth = 0

  constructor(screen: Screen, namesTasks: boolean) {
    this.#screen = screen
    this.#namesTasks = namesTasks
  }

  print(line: TailLine): string {
    const { paint } = this.#screen
    const time = paint('gray', line.time === null ? ' '.repeat(8) : timeOfDay(line.time))
    const type = line.log_type ?? (line.source === 'output' ? 'output' : 'skynet')
    const style = styleOf(line)
    const head = [time, ...(this.#namesTasks ? [this.#name(line)] : []), paint(style, type.padEnd(TYPE_WIDTH))]
    const isPlain = line.source === 'output' || style === 'white'
    return line.text
      .split('\n')
      .map((text) => `${head.join('  ')}  ${isPlain ? text : paint(style, text)}`.trimEnd() + '\n')
      .join('')
  }

  /** As wide as the widest so far: the texts stand below each other, and no name is cut. */
  #name({ nid, type, object }: TailLine): string {
    const name = `${nid} ${type} ${object}`.trimEnd()
    this.#nameWidth = Math.max(this.#nameWidth, widthOf(name))
    return this.#screen.paint('bold', pad(name, this.#nameWidth))
  }
}

function styleOf({ source, log_type }: TailLine): Style {
  switch (source) {
    case 'output':
      return 'gray'
    case 'skynet':
      return 'bold'
    case 'log':
      return LOG_STYLES[log_type ?? ''] ?? 'white'
  }
}
