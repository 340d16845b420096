/** The levels, most talkative first: USR1 goes one notch towards the first, USR2 towards the last. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** The level a notch more (`-1`) or less (`+1`) talkative; the outermost ones stay. */
export function notch(level: string, by: -1 | 1): string {
  const at = LOG_LEVELS.findIndex((known) => known === level)
  return LOG_LEVELS[Math.min(Math.max(at + by, 0), LOG_LEVELS.length - 1)] ?? 'info'
}
