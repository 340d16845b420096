/**
 * Every error code of Skynet with the exit status that a verb ends with when it gets no further.
 * The statuses are those of sysexits.h where it has one: 0 done; 1 failed; 2 wrong usage; 69 database or daemon
 * not reachable; 75 already running; 77 not allowed; 78 bad configuration.
 */
export const EXIT_STATUS = {
  FAILED: 1,
  USAGE: 2,
  DATABASE_UNREACHABLE: 69,
  DAEMON_UNREACHABLE: 69,
  ALREADY_RUNNING: 75,
  NOT_ALLOWED: 77,
  CONFIG_MISSING: 78,
  CONFIG_INVALID: 78,
  CONFIG_UNSAFE: 78,
  DATABASE_REFUSED: 78,
  NOT_A_HOSTMASTER: 78,
} as const

export type ErrorCode = keyof typeof EXIT_STATUS

/** The one base class: `message` says what happened and why, `remedy` what to do about it. */
export class SkynetError extends Error {
  readonly code: ErrorCode
  readonly remedy: string | undefined

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SkynetError'
    this.code = code
    this.remedy = options.remedy
  }

  get exitStatus(): number {
    return EXIT_STATUS[this.code]
  }
}
