import { cutTo, pad, widthOf, type Screen, type Style } from './screen.js'

export interface Column {
  title: string
  align?: 'left' | 'right'
  /** Least width to which its cells are cut where the screen is too narrow; a column without it is never cut. */
  shrinkTo?: number
}

/** A text, or one in a style of its own. */
export type Cell = string | { text: string; style: Style }

const GAP = '  '

/** Lines of a table under its titles, none longer than the screen is wide while there is a column to cut. */
export function tableLines(columns: readonly Column[], rows: readonly Cell[][], screen: Screen): string[] {
  const texts = rows.map((row) => columns.map((_, index) => textOf(row[index])))
  const natural = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...texts.map((row) => widthOf(row[index] ?? ''))),
  )
  const widths = fit(columns, natural, screen.width)
  const line = (cells: readonly Cell[], style?: Style): string => {
    const parts = columns.map(({ align = 'left' }, index) => {
      const cell = cells[index] ?? ''
      const width = widths[index] ?? 0
      const text = cutTo(textOf(cell), width)
      const isLast = index === columns.length - 1 && align === 'left'
      const its = typeof cell === 'string' ? style : cell.style
      const blanks = isLast ? text : pad(text, width, align)
      return its === undefined ? blanks : screen.paint(its, blanks)
    })
    return parts.join(GAP).trimEnd()
  }
  const titles = line(
    columns.map(({ title }) => title),
    'bold',
  )
  return [titles, ...rows.map((row) => line(row))]
}

/** Takes from the widest of the columns that may be cut, until the table fits or nothing more is to be had. */
function fit(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width
  while (excess > 0) {
    const spare = columns.map(({ shrinkTo = Infinity }, index) => {
      const current = widths[index] ?? 0
      return current > shrinkTo ? current : 0
    })
    const widest = spare.indexOf(Math.max(...spare))
    if ((spare[widest] ?? 0) === 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
    excess -= 1
  }
  return widths
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '')
}
