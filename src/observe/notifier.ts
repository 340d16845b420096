import { spawn } from 'node:child_process'
import { hostname } from 'node:os'
import type { Conditions } from './conditions.js'
import type { DaemonEvent } from './event.js'
import type { Logger } from './logger.js'
import { notificationOf, type Notification } from './notification.js'
import { printable } from './printable.js'

export interface NotifierLimits {
  /** How long the program may take, in milliseconds; then it is killed, with its process group. */
  time: number
  /** How often it is run within `window` milliseconds; more has to wait. */
  runs: number
  window: number
  /** How many events wait for it; more are dropped, and counted. */
  waiting: number
}

export const NOTIFIER_LIMITS: NotifierLimits = { time: 30_000, runs: 30, window: 60_000, waiting: 100 }

/** What is kept of what the program says on its standard error. */
const LONGEST_COMPLAINT = 4_096

export interface NotifierOptions {
  logger: Logger
  conditions: Conditions
  /** `[notify] on_failure`; null: nobody is told. */
  program: () => string | null
  /** Name of the hostmaster's database: which of several hostmasters this is about. */
  database: () => string
  /** As drush gets them: the password is in neither. */
  surroundings: { home: string; environment: NodeJS.ProcessEnv; umask: number }
  /** Milliseconds since 1970. */
  now: () => number
  pause: (ms: number, signal: AbortSignal) => Promise<void>
  limits?: NotifierLimits
}

/**
 * Runs the operator's program for every event that somebody is to be told of: without a shell and without arguments,
 * the event as JSON on its standard input, one at a time and in order. The queue does not depend on it: nobody waits
 * for it, it is bounded in time and number, and whatever it does is at most a line in the log.
 */
export class Notifier {
  readonly #options: NotifierOptions
  readonly #limits: NotifierLimits
  readonly #stopped = new AbortController()
  readonly #waiting: { notification: Notification; at: number }[] = []
  /** When the program was run within the window. */
  #runs: number[] = []
  #dropped = 0
  #draining: Promise<void> | undefined

  constructor(options: NotifierOptions) {
    this.#options = options
    this.#limits = options.limits ?? NOTIFIER_LIMITS
  }

  note(event: DaemonEvent): void {
    const { program, now, logger } = this.#options
    if (program() === null || this.#stopped.signal.aborted) return
    const notification = notificationOf(event)
    if (!notification) return
    if (this.#waiting.length >= this.#limits.waiting) {
      if (this.#dropped === 0) logger.warn('too many events to notify of; some are dropped')
      this.#dropped += 1
      return
    }
    this.#waiting.push({ notification, at: now() })
    this.#draining ??= this.#drain().finally(() => (this.#draining = undefined))
  }

  /** Resolves when everything has been told. */
  async drained(): Promise<void> {
    await this.#draining
  }

  /** Starts nothing any more; a program that runs goes on by itself. Idempotent. */
  stop(): void {
    this.#stopped.abort()
    this.#waiting.length = 0
  }

  async #drain(): Promise<void> {
    const { conditions, program } = this.#options
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      await this.#awaitTurn()
      const path = program()
      if (path === null || this.#stopped.signal.aborted) continue
      const failure = await this.#run(path, this.#json(next.notification, next.at))
      if (failure === undefined) conditions.end('notify', 'notifications get through again')
      else {
        const { event } = next.notification
        conditions.begin('notify', 'warn', 'a notification did not get through; tasks go on', {
          program: path,
          event,
          reason: failure,
        })
      }
    }
  }

  /** Waits while the program has been run as often as it may be. */
  async #awaitTurn(): Promise<void> {
    const { pause } = this.#options
    const { runs, window } = this.#limits
    const recent = () => this.#runs.filter((at) => performance.now() - at < window)
    for (this.#runs = recent(); this.#runs.length >= runs; this.#runs = recent()) {
      if (this.#stopped.signal.aborted) return
      await pause(Math.max(10, window - (performance.now() - (this.#runs[0] ?? 0))), this.#stopped.signal)
    }
    this.#runs.push(performance.now())
  }

  #json({ event, message, details }: Notification, at: number): string {
    const { database } = this.#options
    const dropped = this.#dropped
    this.#dropped = 0
    const time = new Date(at).toISOString()
    const first = { event, time, host: hostname(), database: database(), message }
    return `${JSON.stringify({ ...first, ...details, ...(dropped === 0 ? {} : { dropped }) })}\n`
  }

  /** @returns what went wrong, in words; undefined when all went well. Never rejects. */
  #run(program: string, input: string): Promise<string | undefined> {
    const { time } = this.#limits
    return new Promise((resolve) => {
      let complaint = ''
      let limit: NodeJS.Timeout | undefined
      const end = (failure?: string): void => {
        clearTimeout(limit)
        resolve(failure)
      }
      try {
        const child = this.#spawn(program)
        child.once('error', (error) => end(error.message))
        limit = setTimeout(() => {
          killGroup(child.pid)
          end(`it was still running after ${time / 1000} s and was killed`)
        }, time)
        child.once('exit', (code, signal) => {
          // What it said last may still be on its way; a process that it left behind may keep its end open for ever.
          setImmediate(() => {
            child.stderr.destroy()
            if (code === 0) {
              end()
              return
            }
            const how = signal === null ? `exited ${code ?? '?'}` : `was ended by ${signal}`
            end(`it ${how}${lastLine(complaint)}`)
          })
        })
        child.stderr.on('data', (chunk: Buffer) => {
          if (complaint.length < LONGEST_COMPLAINT) complaint += chunk.toString('utf8')
        })
        // A program need not read what it is told.
        child.stdin.on('error', () => undefined)
        child.stdin.end(input)
      } catch (error) {
        end(error instanceof Error ? error.message : String(error))
      }
    })
  }

  #spawn(program: string) {
    const { home, environment, umask } = this.#options.surroundings
    const ours = process.umask(umask)
    try {
      // In a group of its own, so that all of it can be ended.
      const child = spawn(program, [], {
        cwd: home,
        env: environment,
        detached: true,
        stdio: ['pipe', 'ignore', 'pipe'],
      })
      child.unref()
      return child
    } finally {
      process.umask(ours)
    }
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

function lastLine(text: string): string {
  const line = text.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? '' : `: ${printable(line)}`
}
