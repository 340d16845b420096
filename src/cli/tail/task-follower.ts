import { existsSync } from 'node:fs'
import { livingProcess } from '../../daemon/task-work.js'
import type { DatabaseConnection } from '../../hostmaster/connection.js'
import { TASK_STATUS } from '../../hostmaster/task.js'
import { readTaskList, type ListedTask } from '../../hostmaster/task-list.js'
import { LOG_BATCH, readLogAfter, readLogEnd, type LogCursor } from '../../hostmaster/task-log.js'
import { printable } from '../../observe/printable.js'
import { ProcessTable } from '../../runner/process-table.js'
import { taskOfRunName } from '../../runner/run-record.js'
import { isReadable, type RunStore } from '../../runner/run-store.js'
import { LineMasker } from '../shown-text.js'
import { showTask } from '../task-state.js'
import { duration } from '../duration.js'
import { OutputFollower } from './output-follower.js'
import { logLine, outputLine, skynetLine, type TailLine } from './tail-line.js'

interface Followed {
  nid: number
  type: string
  object: string
  /** Of its revisions, the one that is current and those before it that were so while it was followed. */
  cursors: LogCursor[]
  outputs: Map<string, { file: OutputFollower; masker: LineMasker }>
  /** Output of runs before this one is that of former attempts, and not shown. */
  firstRun: string
}

/** How a task left: it came to its end, or drush did not get to it, or it was deleted. */
type Leaving = 'ended' | 'still queued' | 'deleted'

/** A task that is followed no longer. `vid` is its current one; undefined where there is none, or it may come again. */
export interface LeftTask {
  nid: number
  vid: number | undefined
}

/**
 * Follows the logs and outputs of tasks: each row and line once, in its order. A task is followed from `add` until its
 * row has a final status and no process of its run is alive: then nothing more can come. All of it is read from the
 * database and from the runs' own files, so a daemon that is restarted meanwhile is not missed.
 */
export class TaskFollower {
  readonly #store: () => RunStore | undefined
  readonly #now: () => number
  readonly #awaitsStart: boolean
  readonly #processes = new ProcessTable()
  readonly #followed = new Map<number, Followed>()
  /** Read and not yet given: a turn that the loss of the database breaks off has moved the cursors already. */
  #pending: TailLine[] = []

  /**
   * @param store the records of the state directory; undefined while there are none
   * @param awaitsStart whether a task that is queued, and that no run is on its way to, is followed all the same
   */
  constructor(store: () => RunStore | undefined, now: () => number, { awaitsStart }: { awaitsStart: boolean }) {
    this.#store = store
    this.#now = now
    this.#awaitsStart = awaitsStart
  }

  get nids(): number[] {
    return [...this.#followed.keys()]
  }

  /**
   * Begins to follow a task. @returns what is there already: the last `lines` rows of its log and lines of its output,
   * `Infinity`: all.
   */
  async add(connection: DatabaseConnection, task: ListedTask, lines: number): Promise<TailLine[]> {
    const { nid, vid, type, object } = task
    const followed: Followed = {
      nid,
      type: printable(type),
      object: printable(object),
      cursors: [{ vid, lid: 0 }],
      outputs: new Map(),
      firstRun: this.#runsOf(nid, 'all').at(-1) ?? '',
    }
    this.#followed.set(nid, followed)
    if (lines === Infinity) return []
    const rows = await readLogEnd(connection, vid, Math.max(1, lines))
    followed.cursors = [{ vid, lid: rows.at(-1)?.lid ?? 0 }]
    const shown = lines === 0 ? [] : rows.map((row) => logLine(followed, row))
    this.#openOutputs(followed, 'all')
    for (const { file, masker } of followed.outputs.values()) {
      shown.push(...file.last(lines).map((line) => outputLine(followed, masker.shown(line), null)))
    }
    return shown
  }

  /** What has come since the last turn, and who has left. @throws DatabaseError; then nothing is lost, ask again. */
  async turn(connection: DatabaseConnection): Promise<{ lines: TailLine[]; left: LeftTask[] }> {
    // First the runs: a task that is queued still after its run has gone was not got to by it. Then the statuses, then
    // the rows: what was final before the rows were read has no further ones.
    const withRun = new Set((this.#store()?.names() ?? []).map((name) => taskOfRunName(name)?.nid))
    const current = new Map<number, ListedTask>()
    for (const task of await readTaskList(connection, { nids: this.nids }, this.#followed.size)) {
      current.set(task.nid, task)
      this.#notice(task)
    }
    const ending = new Map<number, Leaving>()
    for (const followed of this.#followed.values()) {
      const how = this.#endOf(current.get(followed.nid), withRun)
      if (how) ending.set(followed.nid, how)
    }
    await this.#readRows(connection)
    const lines = this.#pending
    this.#pending = []
    const now = this.#now()
    for (const followed of this.#followed.values()) {
      const isEnding = ending.has(followed.nid)
      this.#openOutputs(followed, isEnding ? 'all' : 'unsettled')
      for (const { file, masker } of followed.outputs.values()) {
        const some = isEnding ? file.readToEnd() : file.read()
        for (const line of some) lines.push(outputLine(followed, masker.shown(line), now))
      }
    }
    for (const [nid, how] of ending) {
      const followed = this.#followed.get(nid)
      if (followed) lines.push(skynetLine(followed, describeEnd(how, current.get(nid), now), now))
      this.#leave(nid)
    }
    const left = [...ending].map(([nid, how]) => ({ nid, vid: how === 'ended' ? current.get(nid)?.vid : undefined }))
    return { lines, left }
  }

  close(): void {
    for (const nid of this.nids) this.#leave(nid)
  }

  #leave(nid: number): void {
    for (const { file } of this.#followed.get(nid)?.outputs.values() ?? []) file.close()
    this.#followed.delete(nid)
  }

  /** drush writes the log of a run to a new revision. */
  #notice({ nid, vid }: ListedTask): void {
    const followed = this.#followed.get(nid)
    if (followed && !followed.cursors.some((cursor) => cursor.vid === vid)) followed.cursors.push({ vid, lid: 0 })
  }

  #endOf(task: ListedTask | undefined, withRun: ReadonlySet<number | undefined>): Leaving | undefined {
    if (!task) return 'deleted'
    const { nid, status } = task
    if (status === TASK_STATUS.processing) return undefined
    if (status === TASK_STATUS.queued) return withRun.has(nid) || this.#awaitsStart ? undefined : 'still queued'
    const store = this.#store()
    const records = (store?.list() ?? []).filter(isReadable).filter((record) => record.nid === nid)
    const isAlive = store && records.some((record) => livingProcess(record, store, this.#processes) !== undefined)
    return isAlive ? undefined : 'ended'
  }

  async #readRows(connection: DatabaseConnection): Promise<void> {
    let rows
    do {
      const cursors = [...this.#followed.values()].flatMap((followed) => followed.cursors)
      rows = await readLogAfter(connection, cursors)
      for (const row of rows) {
        for (const followed of this.#followed.values()) {
          const cursor = followed.cursors.find(({ vid }) => vid === row.vid)
          if (!cursor) continue
          cursor.lid = row.lid
          this.#pending.push(logLine(followed, row))
        }
      }
    } while (rows.length === LOG_BATCH)
  }

  #openOutputs(followed: Followed, which: 'all' | 'unsettled'): void {
    const store = this.#store()
    if (!store) return
    for (const run of this.#runsOf(followed.nid, which)) {
      if (followed.outputs.has(run) || run < followed.firstRun) continue
      const file = [store.outputFile(run), store.settledOutputFile(run)].find((name) => existsSync(name))
      const output = file === undefined ? undefined : OutputFollower.open(file)
      if (output) followed.outputs.set(run, { file: output, masker: new LineMasker() })
    }
  }

  /**
   * Runs of a task, oldest first: their names begin with the time. The settled ones, which may be thousands, are only
   * looked at when the task comes and leaves: a run that was settled between two turns is found then.
   */
  #runsOf(nid: number, which: 'all' | 'unsettled'): string[] {
    const store = this.#store()
    if (!store) return []
    const names = [...(which === 'all' ? store.historyNames() : []), ...store.names()]
    return names.filter((name) => taskOfRunName(name)?.nid === nid).sort()
  }
}

function describeEnd(how: Leaving, task: ListedTask | undefined, now: number): string {
  switch (how) {
    case 'deleted':
      return 'the task was deleted'
    case 'still queued':
      return 'drush did not get to the task: it is queued still'
    case 'ended': {
      const shown = task && showTask(task, undefined, now)
      const took = shown?.took_ms == null ? '' : ` after ${duration(shown.took_ms)}`
      return shown?.state === 'cancelled' ? 'cancelled before it was started' : `ended with ${shown?.state}${took}`
    }
  }
}
