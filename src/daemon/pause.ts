import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { number } from '../config/json-number.js'
import { readPlainFile, replaceFile } from '../runner/plain-file.js'
import type { PauseOfTasks } from '../scheduler/plan.js'

const pauseSchema = v.object({
  /** Which tasks: of this type, of this object, or both; of neither is the whole queue. */
  type: v.optional(v.nullable(v.string()), null),
  object: v.optional(v.nullable(v.string()), null),
  /** Who asked for it. */
  by: v.string(),
  /** Milliseconds since 1970. */
  since: number,
  /** When it ends by itself, in milliseconds since 1970; null: when somebody resumes. */
  until: v.optional(v.nullable(number), null),
  reason: v.string(),
})

const fileSchema = v.union([
  v.object({ pauses: v.array(pauseSchema) }),
  // Of the time when only the whole queue could be paused.
  v.pipe(
    pauseSchema,
    v.transform((pause) => ({ pauses: [pause] })),
  ),
])

/** More than any pauses take, in bytes. */
const LARGEST = 262_144

/** How often the file is looked at, in milliseconds: an operator may remove it by hand. */
const LOOK_INTERVAL = 200

/** More pauses than this are refused: somebody's script has gone wild. */
const MOST = 200

/** One that an operator has made: of the whole queue, or of some tasks. */
export type OwnPause = v.InferOutput<typeof pauseSchema>

/** What a pause is about. */
export type PauseScope = Pick<PauseOfTasks, 'type' | 'object'>

export const WHOLE_QUEUE: PauseScope = { type: null, object: null }

export function isWholeQueue({ type, object }: PauseScope): boolean {
  return type === null && object === null
}

export function isSameScope(a: PauseScope, b: PauseScope): boolean {
  return a.type === b.type && a.object === b.object
}

/** Skynet's own pauses, kept on disk: a restart does not resume the queue. */
export class OwnPauses {
  readonly #file: string
  readonly #monotonic: (() => number) | undefined
  #known: { pauses: OwnPause[]; at: number } | undefined

  /** @param monotonic milliseconds: whoever asks many times in a turn has the file looked at now and then. */
  constructor(stateDirectory: string, monotonic?: () => number) {
    this.#file = join(stateDirectory, 'pause.json')
    this.#monotonic = monotonic
  }

  /** Those that are in force; one whose time has come is none. */
  list(now: number): OwnPause[] {
    return this.#read().filter(({ until }) => until === null || until > now)
  }

  /**
   * Makes a pause, in the place of one of the same tasks. @returns the one whose place it takes
   * @throws Error when there are too many, or the disk's error
   */
  set(pause: OwnPause): OwnPause[] {
    const others = this.#read().filter((other) => !isSameScope(other, pause))
    if (others.length >= MOST) throw new Error(`there are ${MOST} pauses already`)
    const replaced = this.list(pause.since).filter((other) => isSameScope(other, pause))
    this.#write([...others, pause])
    return replaced
  }

  /** Ends one pause, or all of them. @returns those that it ended */
  clear(scope: PauseScope | 'all'): OwnPause[] {
    const all = this.#read()
    const ended = scope === 'all' ? all : all.filter((pause) => isSameScope(pause, scope))
    if (ended.length > 0) this.#write(all.filter((pause) => !ended.includes(pause)))
    return ended
  }

  /** Forgets those whose time has come. @returns them */
  expire(now: number): OwnPause[] {
    const all = this.#read()
    const over = all.filter(({ until }) => until !== null && until <= now)
    if (over.length > 0) this.#write(all.filter((pause) => !over.includes(pause)))
    return over
  }

  #read(): OwnPause[] {
    const now = this.#monotonic?.()
    if (this.#known && now !== undefined && now - this.#known.at < LOOK_INTERVAL) return this.#known.pauses
    const pauses = this.#readFile()
    if (now !== undefined) this.#known = { pauses, at: now }
    return pauses
  }

  #readFile(): OwnPause[] {
    let text: string
    try {
      // To find no file must cost less than an error that says so.
      if (!statSync(this.#file, { throwIfNoEntry: false })) return []
      text = readPlainFile(this.#file, LARGEST)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      return [unreadable('pause.json in the state directory cannot be read')]
    }
    try {
      return v.parse(fileSchema, JSON.parse(text)).pauses
    } catch {
      // Somebody paused the queue; that the reason is lost does not mean that it may run.
      return [unreadable('pause.json in the state directory is damaged; skynet resume removes it')]
    }
  }

  #write(pauses: OwnPause[]): void {
    this.#known = undefined
    if (pauses.length === 0) rmSync(this.#file, { force: true })
    else replaceFile(this.#file, JSON.stringify({ pauses }) + '\n')
  }
}

function unreadable(reason: string): OwnPause {
  return { ...WHOLE_QUEUE, by: 'skynet', since: 0, until: null, reason }
}
