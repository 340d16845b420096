/**
 * Durations (`500ms`, `1.5h`, `14d`) and sizes (`16M`, `1G`) as skynet.conf writes them. A duration has a unit, save 0:
 * a bare number is read as seconds by one person and as milliseconds by the next.
 */

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

function parse(text: string, units: Record<string, number>): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-zA-Z]*)$/.exec(text)
  if (match === null) return null
  const [, number = '', unit = ''] = match
  if (Number(number) === 0 && unit === '') return 0
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  const value = factor === undefined ? NaN : Number(number) * factor
  return Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null
}

/** In whole units where that is exact: the largest one that divides the value. */
function format(value: number, units: Record<string, number>): string {
  const fitting = Object.entries(units).filter(([, factor]) => value % factor === 0)
  const [unit, factor] = fitting.at(-1) ?? ['', 1]
  return `${value / factor}${unit}`
}

/** Milliseconds, or null where the text is no duration. */
export const parseDuration = (text: string): number | null => parse(text, MILLISECONDS)

/** Bytes, or null where the text is no size. */
export const parseSize = (text: string): number | null => parse(text, BYTES)

/** `90000` → `90s`; `0` → `0s`. */
export const formatDuration = (milliseconds: number): string =>
  milliseconds === 0 ? '0s' : format(milliseconds, MILLISECONDS)

/** `1048576` → `1M`. */
export const formatSize = (bytes: number): string => (bytes === 0 ? '0' : format(bytes, BYTES))
