import { join } from 'node:path'
import * as v from 'valibot'
import { number } from '../../config/json-number.js'
import { readPlainFile, replaceFile } from '../../runner/plain-file.js'

const entry = v.object({
  expression: v.string(),
  time_zone: v.string(),
  /** Milliseconds since 1970: due times after this are to be answered. */
  since: number,
})

const bookSchema = v.object({ version: v.literal(1), commands: v.record(v.string(), entry) })

type Entry = v.InferOutput<typeof entry>

/** More than any schedule takes, in bytes. */
const LARGEST = 1_048_576

/**
 * Since when each command is to be run at which times, on disk: a time that passes while no daemon runs is known to have
 * been missed, and one that passed before the command was scheduled, or was scheduled otherwise, is not.
 */
export class ScheduleBook {
  readonly #file: string
  #commands: Record<string, Entry> | undefined
  #isWritten = true

  constructor(stateDirectory: string) {
    this.#file = join(stateDirectory, 'schedule', 'schedule.json')
  }

  /** Since when the command's due times count; undefined: it is new, or was scheduled otherwise. */
  since(command: string, expression: string, timeZone: string): number | undefined {
    const known = this.#read()[command]
    return known?.expression === expression && known.time_zone === timeZone ? known.since : undefined
  }

  /**
   * Takes the schedule as it is from now on; `write` brings it to disk.
   * @param latest what lies behind this was noted by a clock that was wrong.
   */
  note(schedule: Readonly<Record<string, string>>, timeZone: () => string, now: number, latest: number): void {
    const commands = Object.entries(schedule).map(([command, expression]): [string, Entry] => {
      const zone = timeZone()
      const since = this.since(command, expression, zone) ?? now
      return [command, { expression, time_zone: zone, since: since > latest ? now : since }]
    })
    const next = Object.fromEntries(commands)
    if (JSON.stringify(next) === JSON.stringify(this.#read())) return
    this.#commands = next
    this.#isWritten = false
  }

  /** Writes what has changed. @returns whether anything had. @throws the error of the file system; try again then */
  write(): boolean {
    if (this.#isWritten) return false
    const text = `${JSON.stringify({ version: 1, commands: this.#read() }, null, 2)}\n`
    // Of a name of its own: a daemon that takes itself for the leader when it no longer is writes too.
    replaceFile(this.#file, text, `${this.#file}.${process.pid}.new`)
    this.#isWritten = true
    return true
  }

  /** Reads the file again with the next question: another daemon may have led in between. */
  reread(): void {
    if (this.#isWritten) this.#commands = undefined
  }

  #read(): Record<string, Entry> {
    this.#commands ??= this.#onDisk()
    return this.#commands
  }

  /** Where it is damaged, or of a newer version, the times count from now on: nothing is run that may have been. */
  #onDisk(): Record<string, Entry> {
    try {
      return v.parse(bookSchema, JSON.parse(readPlainFile(this.#file, LARGEST))).commands
    } catch {
      return {}
    }
  }
}
