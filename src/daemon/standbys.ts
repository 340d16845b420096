import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { number } from '../config/json-number.js'
import { readPlainFile, replaceFile } from '../runner/plain-file.js'
import type { ProcessTable } from '../runner/process-table.js'

const noteSchema = v.object({
  machine: v.string(),
  boot: v.string(),
  pid: number,
  started: number,
  since: number,
})

/** The daemons on this state directory that wait to take over: each leaves a note, so that the leader can name them. */
export class Standbys {
  readonly #dir: string
  readonly #processes: ProcessTable
  readonly #ours: string

  constructor(stateDirectory: string, processes: ProcessTable) {
    this.#dir = join(stateDirectory, 'standbys')
    this.#processes = processes
    this.#ours = join(this.#dir, `${process.pid}.json`)
  }

  announce(now: number): void {
    try {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
      if (!lstatSync(this.#dir).isDirectory()) return
      const note = { ...this.#processes.identify(process.pid), since: now }
      replaceFile(this.#ours, JSON.stringify(note) + '\n')
    } catch {
      // A full disk: the standby works all the same, only nobody sees it.
    }
  }

  /** Takes our note back; idempotent. */
  stop(): void {
    rmSync(this.#ours, { force: true })
  }

  /** Those that are alive. */
  list(): { pid: number; since: number }[] {
    let names: string[]
    try {
      names = readdirSync(this.#dir).filter((name) => name.endsWith('.json'))
    } catch {
      return []
    }
    return names.flatMap((name) => {
      try {
        const note = v.parse(noteSchema, JSON.parse(readPlainFile(join(this.#dir, name), 4_096)))
        return this.#processes.isAlive(note) ? [{ pid: note.pid, since: note.since }] : []
      } catch {
        return []
      }
    })
  }
}
