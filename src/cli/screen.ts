import { createRequire } from 'node:module'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { packageFolder } from '../config/package-folder.js'

export type Style = Parameters<typeof styleText>[0]

/** What a verb may do where its output goes: how wide a line may be, and whether there are colours. */
export interface Screen {
  /** Columns; infinite where nobody looks (a pipe, a file): there nothing is cut or broken. */
  width: number
  colour: boolean
  /** The text in this style; plain where there are no colours. Of text that is already cut and padded. */
  paint: (style: Style, text: string) => string
}

/** A standard stream, as far as it matters here. */
export interface OutputStream {
  isTTY?: boolean | undefined
  columns?: number | undefined
}

/**
 * The screen behind a stream. COLUMNS tells the width where the stream is no terminal (a pager, `watch`, a test); shells
 * do not export it by themselves. By its convention (no-color.org) an empty NO_COLOR says nothing.
 */
export function screenOf({ isTTY = false, columns }: OutputStream, environment: NodeJS.ProcessEnv): Screen {
  const asked = /^[1-9]\d{0,4}$/.test(environment['COLUMNS'] ?? '') ? Number(environment['COLUMNS']) : undefined
  // A terminal of 0 columns is one that nobody has told its size: a serial line, a job of a scheduler.
  const width = (isTTY ? columns || asked : asked) ?? Number.POSITIVE_INFINITY
  return newScreen(width, isTTY && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb')
}

export function newScreen(width: number, colour: boolean): Screen {
  // The stream was looked at above; styleText itself would look at another one.
  const paint = (style: Style, text: string) => (colour ? styleText(style, text, { validateStream: false }) : text)
  return { width, colour, paint }
}

let stringWidth: typeof import('fast-string-width').default | undefined

/** Columns that a text takes on a terminal: wide characters take two, marks none. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  stringWidth ??= (load('fast-string-width') as typeof import('fast-string-width')).default
  return stringWidth(text)
}

/**
 * Loads what is made of ES modules when it is first needed: for the first of them Node loads as much again as for all of
 * `skynet status`, which shows nothing but ASCII most of the time and breaks no lines where nobody looks.
 */
function load(name: string): unknown {
  return createRequire(join(packageFolder(), 'package.json'))(name)
}

/** A colour, or a character with its marks. */
// eslint-disable-next-line no-control-regex
const PIECE = /\u001b\[[\d;]*m|\P{M}\p{M}*/gu

/** The text, or as much of it as fits with an ellipsis into so many columns. */
export function cutTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let cut = ''
  let used = 0
  for (const [piece] of text.matchAll(PIECE)) {
    used += widthOf(piece)
    if (used > width - 1) break
    cut += piece
  }
  // A colour that was opened before the cut has to end.
  return `${cut}…${text.includes('\u001b') ? '\u001b[0m' : ''}`
}

/** Fills up with blanks to so many columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'left' ? text + blanks : blanks + text
}

/** Breaks at blanks; a path or command that is longer than a line stays whole, so that it can be copied. */
export function wrap(text: string, width: number): string[] {
  const words = text.trim().replace(/\s+/g, ' ')
  if (!Number.isFinite(width)) return [words]
  const { wrapAnsi } = load('fast-wrap-ansi') as typeof import('fast-wrap-ansi')
  return wrapAnsi(words, Math.max(1, width)).split('\n')
}
