import type { DaemonProcess, LogEntry } from './daemon-process.js'
import type { DemoScreen } from './demo-screen.js'
import type { Journal } from './journal.js'

/** What the daemon's log says of a task. */
export interface FollowedTask {
  nid: number
  type: string
  object: string
  /** Milliseconds since 1970. */
  startedAt?: number
  outcome?: string
}

/** Reads the daemon's log as it grows, and shows a line for each task. */
export class DemoFollower {
  readonly tasks = new Map<number, FollowedTask>()
  /** Shows the pid of a running drush, for who wants to kill it. */
  showsPids = false
  readonly #screen: DemoScreen
  readonly #journal: Journal
  readonly #beganAt = Date.now()
  #daemon: DaemonProcess | undefined
  #read = 0

  constructor(screen: DemoScreen, journal: Journal) {
    this.#screen = screen
    this.#journal = journal
  }

  /** Follows another daemon from now on. */
  follow(daemon: DaemonProcess): void {
    this.look()
    this.#daemon = daemon
    this.#read = 0
  }

  /** Shows what is new. */
  look(): void {
    const fresh = this.#daemon?.logs.slice(this.#read) ?? []
    this.#read += fresh.length
    for (const entry of fresh) this.#take(entry)
    this.#screen.underWay(
      this.running.map((task) => {
        const pid = this.showsPids ? this.drushOf(task.nid) : undefined
        const since = seconds(Date.now() - (task.startedAt ?? Date.now()))
        return this.#line('running', 'cyan', task, pid === undefined ? since : `${since}  drush ${pid}`)
      }),
    )
  }

  get running(): FollowedTask[] {
    return [...this.tasks.values()].filter(({ outcome }) => outcome === undefined)
  }

  /** Process of the drush that works on a task. */
  drushOf(nid: number): number | undefined {
    return this.#journal.of('start', nid).at(-1)?.pid
  }

  /** A line about something else than a task. */
  note(text: string): void {
    this.#screen.say(`${this.#clock()}  ${this.#screen.paint('cyan', text)}`)
  }

  #take(entry: LogEntry): void {
    switch (entry.msg) {
      case 'task started': {
        const task = taskOf(entry)
        this.tasks.set(task.nid, { ...task, startedAt: timeOf(entry) })
        return
      }
      case 'run adopted': {
        const task = taskOf(entry)
        this.tasks.set(task.nid, { startedAt: timeOf(entry), ...this.tasks.get(task.nid), ...task })
        this.note(`adopted: ${task.type} ${task.object}`)
        return
      }
      case 'task ended': {
        const task = { ...this.tasks.get(Number(entry['nid'])), ...taskOf(entry), outcome: String(entry['outcome']) }
        this.tasks.set(task.nid, task)
        const took = seconds(Number(entry['duration_ms']))
        const signal = typeof entry['signal'] === 'string' ? `  ended by ${entry['signal']}` : ''
        this.#screen.say(this.#line(task.outcome, colourOf(task.outcome), task, `${took}${signal}`))
        return
      }
      default:
        if (entry.level === 'warn' || entry.level === 'error') this.note(`${entry.level}: ${entry.msg}`)
    }
  }

  #line(status: string, colour: 'green' | 'yellow' | 'red' | 'cyan', task: FollowedTask, rest: string): string {
    const what = `${task.type.padEnd(12)} ${task.object.padEnd(18)}`
    return `${this.#clock()}  ${this.#screen.paint(colour, status.padEnd(8))}  ${what} ${rest}`
  }

  #clock(): string {
    return this.#screen.paint('dim', seconds(Date.now() - this.#beganAt).padStart(8))
  }
}

export function colourOf(outcome: string): 'green' | 'yellow' | 'red' {
  if (outcome === 'success') return 'green'
  return outcome === 'error' ? 'red' : 'yellow'
}

/** `1.3 s`, aligned for less than a hundred. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(4)} s`
}

function taskOf(entry: LogEntry): FollowedTask {
  return { nid: Number(entry['nid']), type: String(entry['type']), object: String(entry['object']) }
}

function timeOf({ time }: LogEntry): number {
  return new Date(time ?? Date.now()).getTime()
}
