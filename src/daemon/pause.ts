import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { readPlainFile, replaceFile } from '../runner/plain-file.js'

const pauseSchema = z.object({
  /** Who asked for it. */
  by: z.string(),
  /** Milliseconds since 1970. */
  since: z.number(),
  reason: z.string(),
})

/** More than any pause takes, in bytes. */
const LARGEST = 65_536

export type Pause = z.infer<typeof pauseSchema>

/** Skynet's own pause, kept on disk: a restart does not resume the queue. */
export class OwnPause {
  readonly #file: string

  constructor(stateDirectory: string) {
    this.#file = join(stateDirectory, 'pause.json')
  }

  read(): Pause | undefined {
    let text: string
    try {
      // Asked several times with every turn: to find no file must cost less than an error that says so.
      if (!statSync(this.#file, { throwIfNoEntry: false })) return undefined
      text = readPlainFile(this.#file, LARGEST)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      return { by: 'skynet', since: 0, reason: 'pause.json in the state directory cannot be read' }
    }
    try {
      return pauseSchema.parse(JSON.parse(text))
    } catch {
      // Somebody paused the queue; that the reason is lost does not mean that it may run.
      return {
        by: 'skynet',
        since: 0,
        reason: 'pause.json in the state directory is damaged; skynet resume removes it',
      }
    }
  }

  set(pause: Pause): void {
    replaceFile(this.#file, JSON.stringify(pause) + '\n')
  }

  clear(): void {
    rmSync(this.#file, { force: true })
  }
}
