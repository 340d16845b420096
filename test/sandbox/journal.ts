import { readFileSync } from 'node:fs'
import { waitFor } from './wait-for.js'

/** What the stand-in drush wrote about itself: the witness of what ran, which Skynet has no hand in. */
export interface JournalEntry {
  event: 'start' | 'end' | 'refused' | 'backend-start' | 'backend-end' | 'command-start' | 'command-end'
  pid: number
  /** Session and process group. */
  sid: number
  pgid: number
  /** Seconds since 1970, with a fraction. */
  time: number
  nid?: number
  /** The revision that the run made; null in `refused`. */
  vid?: number | null
  /** The revision that it found. */
  queued_vid?: number
  rid?: number
  type?: string
  /** Of `end` the task's final status, of `command-end` the exit status. */
  status?: number
  reason?: 'running' | 'not-queued' | 'sandbox'
  command?: string
  arguments?: string[]
}

export class Journal {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  read(): JournalEntry[] {
    const lines = readFileSync(this.path, 'utf8').split('\n')
    // A process writes each line at once, but a reader can still see the half of it.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalEntry)
  }

  /** The entries of one kind, in the order in which they were written. */
  of(event: JournalEntry['event'], nid?: number): JournalEntry[] {
    return this.read().filter((entry) => entry.event === event && (nid === undefined || entry.nid === nid))
  }

  /** The first entry that fits. */
  waitFor(
    fits: (entry: JournalEntry) => boolean,
    { what = 'an entry in the journal', timeoutMs = 10_000 } = {},
  ): Promise<JournalEntry> {
    return waitFor(() => this.read().find(fits), {
      what,
      timeoutMs,
      lastSeen: () =>
        `The journal ends with:\n${this.read()
          .slice(-8)
          .map((entry) => JSON.stringify(entry))
          .join('\n')}`,
    })
  }
}
