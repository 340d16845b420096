import type { RunExit } from './run-record.js'

/** A shell gives 128 + N for a child that signal N ended; drush itself uses 0, 1 and 255. */
export function exitOfShellStatus(status: number): RunExit {
  const signal = SIGNALS[status - 128]
  return signal === undefined ? { kind: 'code', code: status } : { kind: 'signal', signal }
}

const SIGNALS: Record<number, string> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  4: 'ILL',
  6: 'ABRT',
  7: 'BUS',
  8: 'FPE',
  9: 'KILL',
  10: 'USR1',
  11: 'SEGV',
  12: 'USR2',
  13: 'PIPE',
  14: 'ALRM',
  15: 'TERM',
  24: 'XCPU',
  25: 'XFSZ',
  31: 'SYS',
}
