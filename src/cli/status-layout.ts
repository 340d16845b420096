import type { Status } from '../daemon/status.js'
import { cutTo, pad, wrap, type Screen, type Style } from './screen.js'
import { tableLines, type Cell, type Column } from './table.js'

/** Columns that a label with its blanks takes. */
const LABEL = 11
export const INDENT = '  '

/** What the screen is drawn from. */
export interface View {
  status: Status
  screen: Screen
  /** Milliseconds since 1970. */
  now: number
  /** Whether runs get a bar. */
  progress: boolean
}

export const RIGHT: Column = { title: '', align: 'right' }
export const FIXED: Column = { title: '' }
export const SHRINKING: Column = { title: '', shrinkTo: 8 }

/** Those of a task's name: nid, type, object. */
export const NAMED: Column[] = [RIGHT, FIXED, SHRINKING]

/** A table without titles, below the label of its section. */
export function indentedTable({ screen }: View, columns: readonly Column[], rows: readonly Cell[][]): string[] {
  const [, ...lines] = tableLines(columns, rows, { ...screen, width: screen.width - INDENT.length })
  return lines.map((line) => INDENT + line)
}

/** A label and a text, which goes on below itself where it is longer than the line. */
export function labelled({ screen }: View, label: string, text: string, style?: Style): string[] {
  return wrap(text, screen.width - LABEL).map((line, index) => {
    const painted = style === undefined ? line : screen.paint(style, line)
    return pad(index === 0 ? `${label}:` : '', LABEL) + painted
  })
}

/** The name of a task: of a damaged row type or object may be missing. */
export function namedCells({
  nid,
  type,
  object,
}: {
  nid: number
  type: string
  object: string
}): [string, string, string] {
  return [String(nid), type || '(no type)', object || '(no object)']
}

export function named(task: { nid: number; type: string; object: string }): string {
  return namedCells(task).join(' ')
}

export function cut({ width }: Screen, line: string): string {
  return cutTo(line, width)
}
