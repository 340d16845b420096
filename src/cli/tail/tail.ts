import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { SkynetError } from '../../config/skynet-error.js'
import { TASK_STATUS } from '../../hostmaster/task.js'
import { readTaskList } from '../../hostmaster/task-list.js'
import { openRunStore } from '../doctor/open-run-store.js'
import { sayWithoutDaemon, withDatabase, type DatabaseView } from '../database-view.js'
import type { VerbContext } from '../program.js'
import { wholeNumber } from '../scale.js'
import { screenOf } from '../screen.js'
import { noSuchTask, taskNumber } from '../task-number.js'
import { whyOf } from '../why.js'
import { RunningTasks } from './running-tasks.js'
import { TaskFollower } from './task-follower.js'
import { TailPrinter, type TailLine } from './tail-line.js'

export interface TailOptions {
  config_file?: string
  follow?: boolean
  lines: string
  json?: boolean
}

/** How often is looked for something new, in milliseconds: what a person takes for at once. */
const INTERVAL = 50

/** Between two attempts to reach a database that is gone, in milliseconds. */
const RECONNECT_INTERVAL = 1_000

const MOST_LINES = 100_000

/**
 * `skynet tail [NID] [-f]`: the logs and outputs of one task, or of all that are being run. It reads the database and
 * the runs' files itself; so it shows the same with and without a daemon, and through its restart.
 * @throws SkynetError
 */
export async function tail(text: string | undefined, options: TailOptions, context: VerbContext): Promise<number> {
  const nid = text === undefined ? undefined : taskNumber(text)
  const lines = options.lines === '0' ? 0 : wholeNumber(options.lines, MOST_LINES, 'the number of lines')
  const reader = new Reader(nid, options, context)
  const session = new TailSession(nid, lines, options.follow === true, reader)
  try {
    await session.run(options.config_file, context.environment)
  } finally {
    reader.close()
  }
  return 0
}

/** Whoever reads what we print, until there is nobody any more: Ctrl-C, or the end of a pipe. */
class Reader {
  readonly #gone = new AbortController()
  readonly #print: (line: TailLine) => string
  readonly #leave = () => this.#gone.abort()

  constructor(nid: number | undefined, { json }: TailOptions, { environment }: VerbContext) {
    const printer = new TailPrinter(screenOf(process.stdout, environment), nid === undefined)
    this.#print = json ? (line) => `${JSON.stringify(line)}\n` : (line) => printer.print(line)
    process.once('SIGINT', this.#leave).once('SIGTERM', this.#leave)
    process.stdout.once('close', this.#leave).once('error', this.#leave)
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  close(): void {
    process.off('SIGINT', this.#leave).off('SIGTERM', this.#leave)
    process.stdout.off('close', this.#leave).off('error', this.#leave)
  }

  /** Resolves when there is room for more: a slow reader slows us down, it does not fill our memory. */
  async show(lines: readonly TailLine[]): Promise<void> {
    if (lines.length === 0 || this.gone.aborted) return
    if (process.stdout.write(lines.map(this.#print).join(''))) return
    await once(process.stdout, 'drain', { signal: this.gone }).catch(() => undefined)
  }

  async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.gone }).catch(() => undefined)
  }
}

/** One call of the verb; what it knows survives the loss of the database. */
class TailSession {
  readonly #nid: number | undefined
  readonly #lines: number
  readonly #follows: boolean
  readonly #reader: Reader
  #follower: TaskFollower | undefined
  #running: RunningTasks | undefined

  constructor(nid: number | undefined, lines: number, follows: boolean, reader: Reader) {
    this.#nid = nid
    this.#lines = lines
    this.#follows = follows
    this.#reader = reader
  }

  async run(file: string | undefined, environment: NodeJS.ProcessEnv): Promise<void> {
    const outage = { isOn: false }
    while (!this.#reader.gone.aborted) {
      try {
        await withDatabase(file, environment, async (view) => {
          if (outage.isOn) {
            process.stderr.write('The database is back.\n')
            this.#running?.reconnected()
            outage.isOn = false
          }
          if (!this.#follower) await this.#begin(view)
          while (this.#follows && !this.#reader.gone.aborted) {
            if (await this.#turn(view)) break
            await this.#reader.wait(INTERVAL)
          }
        })
        break
      } catch (error) {
        // Refused as well, and not for long: a password that a verify has just changed, a database that is being restored.
        const isOutage =
          error instanceof SkynetError && (error.code === 'DATABASE_UNREACHABLE' || error.code === 'DATABASE_REFUSED')
        if (!isOutage || !this.#follower || !this.#follows) throw error
        if (!outage.isOn) process.stderr.write(`${error.message} Waiting for it.\n`)
        outage.isOn = true
        await this.#reader.wait(RECONNECT_INTERVAL)
      }
    }
    this.#follower?.close()
  }

  /** Shows what is there already. */
  async #begin(view: DatabaseView): Promise<void> {
    const { connection, config } = view
    const { dir } = config.state
    let store = openRunStore(dir)
    const find = () => (store ??= openRunStore(dir))
    const follower = new TaskFollower(find, Date.now, { awaitsStart: this.#nid !== undefined })
    if (this.#nid !== undefined) {
      const [task] = await readTaskList(connection, { nids: [this.#nid] }, 1)
      if (!task) throw noSuchTask(this.#nid)
      sayWithoutDaemon(view)
      if (task.status === TASK_STATUS.queued) process.stderr.write(`${await whyOf(view, this.#nid)}\n`)
      await this.#reader.show(await follower.add(connection, task, this.#lines))
    } else {
      const surroundings = { database: config.database.db, stateDirectory: dir, store: find }
      this.#running = new RunningTasks(surroundings, () => performance.now())
      const tasks = await this.#running.find(connection, [])
      sayWithoutDaemon(view)
      for (const task of tasks) await this.#reader.show(await follower.add(connection, task, this.#lines))
      if (tasks.length === 0) process.stderr.write('No task is being run.\n')
    }
    this.#follower = follower
  }

  /** Shows what is new. @returns whether the one task that was asked for has left. */
  async #turn({ connection }: DatabaseView): Promise<boolean> {
    const follower = this.#follower
    if (!follower) return true
    for (const task of (await this.#running?.find(connection, follower.nids)) ?? []) {
      await this.#reader.show(await follower.add(connection, task, Number.POSITIVE_INFINITY))
    }
    const { lines, left } = await follower.turn(connection)
    await this.#reader.show(lines)
    for (const task of left) this.#running?.left(task)
    return this.#nid !== undefined && left.length > 0
  }
}
