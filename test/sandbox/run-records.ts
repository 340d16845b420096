import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RunRecord } from '../../src/runner/run-record.js'
import type { Sandbox } from './sandbox.js'

/** Where the records are of runs that are not settled, and of those that are. */
export type RunFolder = 'runs' | 'history'

/** The records in Skynet's state directory, for tests that read them, or change them while no daemon runs. */
export class RunRecords {
  readonly #sandbox: Sandbox
  readonly stateDirectory: string

  constructor(sandbox: Sandbox, stateDirectory = join(sandbox.configFolder, 'state')) {
    this.#sandbox = sandbox
    this.stateDirectory = stateDirectory
  }

  folder(run: string, folder: RunFolder = 'runs'): string {
    return join(this.stateDirectory, folder, run)
  }

  /** Those of one folder, oldest first. A daemon may be moving one just now: such a one is left out. */
  in(folder: RunFolder): RunRecord[] {
    const path = join(this.stateDirectory, folder)
    if (!existsSync(path)) return []
    return readdirSync(path)
      .sort()
      .flatMap((run) => {
        try {
          return [JSON.parse(readFileSync(join(path, run, 'record.json'), 'utf8')) as RunRecord]
        } catch {
          return []
        }
      })
  }

  /** The runs of a task, oldest first. */
  of(nid: number): RunRecord[] {
    return [...this.in('history'), ...this.in('runs')].filter((record) => record.nid === nid)
  }

  /** Writes a record and other files of its run. */
  write(record: RunRecord, files: Record<string, string> = {}, folder: RunFolder = 'runs'): void {
    const name = `home/config/skynet/state/${folder}/${record.run}`
    for (const part of ['home/config/skynet/state', `home/config/skynet/state/${folder}`, name]) {
      this.#sandbox.folder.makeFolder(part, 0o700)
    }
    const all = { 'record.json': `${JSON.stringify(record, null, 2)}\n`, ...files }
    for (const [file, text] of Object.entries(all)) this.#sandbox.folder.writeFile(`${name}/${file}`, text, 0o600)
  }
}
