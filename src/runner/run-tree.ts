import type { Process, ProcessIdentity, ProcessTable } from './process-table.js'

/**
 * All processes of a run, for whoever ends it: those of its session, and those that they have started and that have made
 * a session of their own. One that was seen once is remembered, because it becomes a child of init when its parent dies.
 */
export class RunTree {
  readonly #table: ProcessTable
  readonly #child: ProcessIdentity
  readonly #seen = new Map<number, number>()

  constructor(table: ProcessTable, child: ProcessIdentity) {
    this.#table = table
    this.#child = child
  }

  /** Those that are alive and ours: another user's (a `sudo` of the task's) we could not end. */
  alive(): Process[] {
    const table = this.#table
    const child = this.#child
    if (child.machine !== table.machine || child.boot !== table.boot) return []
    const processes = table.list()
    const leader = processes.find(({ pid }) => pid === child.pid)
    // Another program with our pid is a later one, and so is its session: see run-session.ts.
    const isSessionOurs = !leader || child.started === 0 || leader.started === child.started
    const members = new Set<number>()
    for (const { pid, session, started } of processes) {
      const isOfSession = isSessionOurs && session === child.pid && started >= child.started
      if (isOfSession || this.#seen.get(pid) === started) members.add(pid)
    }
    for (let size = 0; size !== members.size;) {
      size = members.size
      for (const { pid, parent } of processes) if (members.has(parent)) members.add(pid)
    }
    const alive = processes.filter(({ pid }) => members.has(pid))
    for (const { pid, started } of alive) this.#seen.set(pid, started)
    return alive.filter(({ pid }) => table.isOurs(pid))
  }

  /** Asks all of them to end. */
  terminate(): void {
    for (const process of this.alive()) this.#send(process, 'SIGTERM')
  }

  /** Ends all of them. The run's shell goes last: it is to note how drush ended. */
  kill(): void {
    const alive = this.alive()
    const others = alive.filter(({ pid }) => pid !== this.#child.pid)
    for (const process of others.length > 0 ? others : alive) this.#send(process, 'SIGKILL')
  }

  #send({ pid, started }: Process, signal: NodeJS.Signals): void {
    // Between the look and the signal its pid may have become another process's.
    if (this.#table.read(pid)?.started !== started) return
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself in the meantime.
    }
  }
}
