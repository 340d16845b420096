import { join } from 'node:path'
import { readPlainFile, replaceFile } from '../runner/plain-file.js'

/** Waiting tasks older than this are not simply run when Skynet first meets a hostmaster, in milliseconds: a week. */
const OLD = 7 * 24 * 60 * 60_000

/** Names of some thousand databases, in bytes. */
const LARGEST = 1_048_576

/** Remembers which hostmasters this Skynet has met, by the name of their database. */
export class KnownHostmasters {
  readonly #file: string
  /** Asked with every poll: the file is read once for each. */
  readonly #met = new Set<string>()

  constructor(stateDirectory: string) {
    this.#file = join(stateDirectory, 'known-hostmasters')
  }

  has(database: string): boolean {
    if (!this.#met.has(database) && this.#names().includes(database)) this.#met.add(database)
    return this.#met.has(database)
  }

  add(database: string): void {
    replaceFile(this.#file, [...this.#names(), database].join('\n') + '\n')
  }

  #names(): string[] {
    try {
      return readPlainFile(this.#file, LARGEST).split('\n').filter(Boolean)
    } catch {
      return []
    }
  }
}

/** Why the queue is not simply run at the first start; undefined: nothing is too old. */
export function firstStartReason(waiting: Iterable<{ changed: number }>, now: number): string | undefined {
  let count = 0
  for (const { changed } of waiting) if (changed * 1000 < now - OLD) count += 1
  if (count === 0) return undefined
  const tasks = count === 1 ? 'task that waits is' : 'tasks that wait are'
  return `first start on this hostmaster: ${count} ${tasks} older than a week; look at them, then run: skynet resume`
}
