/** Longest request or answer line, in bytes; a status with its lists bounded is some kilobytes. */
export const LONGEST_LINE = 1_048_576

export type ControlAnswer = { ok: true; result: unknown } | { ok: false; error: string }
