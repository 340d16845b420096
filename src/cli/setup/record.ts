import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { SkynetError } from '../../config/skynet-error.js'

const recordSchema = v.object({
  version: v.literal(1),
  user: v.string(),
  madeFolder: v.boolean(),
  /** By step, in the order in which they were done, what undoing needs to know. */
  steps: v.array(v.object({ name: v.string(), before: v.optional(v.unknown()) })),
})

/**
 * What setup did, so that `--remove` undoes that and nothing else. It belongs to root: what it says is done as root.
 */
export class SetupRecord {
  readonly #file: string
  #content: v.InferOutput<typeof recordSchema>

  private constructor(file: string, content: v.InferOutput<typeof recordSchema>) {
    this.#file = file
    this.#content = content
  }

  /** The record, or an empty one. @throws SkynetError when it cannot be read */
  static open(file: string, user: string): SetupRecord {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
        return new SetupRecord(file, { version: 1, user, madeFolder: false, steps: [] })
      }
      throw new SkynetError('FAILED', `${file} cannot be read: ${(cause as Error).message}.`, { cause })
    }
    try {
      return new SetupRecord(file, v.parse(recordSchema, JSON.parse(text)))
    } catch (cause) {
      throw new SkynetError('FAILED', `${file}, in which setup notes what it did, is damaged.`, {
        remedy: 'Look at it; without it (move it away) setup does every step anew, and --remove undoes nothing.',
        cause,
      })
    }
  }

  get isEmpty(): boolean {
    return this.#content.steps.length === 0
  }

  has(name: string): boolean {
    return this.#content.steps.some((step) => step.name === name)
  }

  before(name: string): unknown {
    return this.#content.steps.find((step) => step.name === name)?.before
  }

  /** Notes a step before it is done, so that one that fails in the middle can be undone. The first note counts. */
  add(name: string, before: unknown): void {
    if (this.has(name)) return
    this.#content = { ...this.#content, steps: [...this.#content.steps, { name, before }] }
    this.#write()
  }

  remove(name: string): void {
    const steps = this.#content.steps.filter((step) => step.name !== name)
    this.#content = { ...this.#content, steps }
    if (steps.length > 0) {
      this.#write()
      return
    }
    rmSync(this.#file, { force: true })
    if (this.#content.madeFolder) {
      try {
        rmdirSync(dirname(this.#file))
      } catch {
        // Another user's record is in there.
      }
    }
  }

  #write(): void {
    const made = mkdirSync(dirname(this.#file), { recursive: true, mode: 0o755 })
    if (made !== undefined) this.#content.madeFolder = true
    const text = JSON.stringify(this.#content, null, 2) + '\n'
    writeFileSync(`${this.#file}.new`, text, { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
  }
}
