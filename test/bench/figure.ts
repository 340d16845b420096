/** One line of the table. */
export interface Figure {
  name: string
  value: number
  /** The value as a person reads it. */
  shown: string
  /** What it must reach, as a person reads it; empty where it is there for comparison alone. */
  must: string
  reached: boolean
  /** A count, which is the same on every machine: only such a figure fails the quick form. */
  isCount: boolean
  /** What else was seen. */
  note: string
}

export interface Limit {
  most: number
  /** Behind the number. */
  unit?: string
  isCount?: boolean
  note?: string
}

/** A figure that must not be above `most`. */
export function atMost(name: string, value: number, { most, unit = '', isCount = false, note = '' }: Limit): Figure {
  // What misses its limit by little must not look as if it met it.
  const isClose = value > most && readable(value) === readable(most)
  return {
    name,
    value,
    shown: `${readable(value, isClose ? 1 : 0)}${unit}`,
    must: `≤ ${readable(most)}${unit}`,
    reached: value <= most,
    isCount,
    note,
  }
}

/** A figure for comparison. */
export function seen(name: string, value: number, unit = '', note = ''): Figure {
  return { name, value, shown: `${readable(value)}${unit}`, must: '', reached: true, isCount: false, note }
}

/** @param more further digits. */
export function readable(value: number, more = 0): string {
  if (!Number.isFinite(value)) return String(value)
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3
  return String(Number(value.toFixed(digits + more)))
}

/** The value below which a share of them lies; the median unless told otherwise. */
export function quantile(values: readonly number[], share = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}

/** `from 1.01 to 1.04`: how far single measurements lay apart. */
export function range(values: readonly number[], unit = ''): string {
  return `${readable(Math.min(...values))} to ${readable(Math.max(...values))}${unit}`
}
