import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { orNoProcess, readKernelFile } from './kernel-file.js'
import { PidSequence, type PidMark } from './pid-sequence.js'

/**
 * A process is known by machine id, boot id, pid and start time, nothing less: a pid alone is soon another program's,
 * and start times are counted from a boot.
 */
export interface ProcessIdentity {
  machine: string
  boot: string
  pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since the boot. */
  started: number
}

export interface Process {
  pid: number
  parent: number
  session: number
  started: number
  /** Z and X: dead already, only waiting to be collected by its parent. */
  dead: boolean
}

/** State, parent, process group and session: a letter and three numbers of ten digits at most. */
const LONGEST_START = 40

/**
 * What the operating system says of processes. Linux's /proc; a test gives another folder. Whatever reads it throws where it
 * cannot look (`orNoProcess`): nobody is to take a process for gone that is only out of sight.
 */
export class ProcessTable {
  readonly #root: string
  /** A line of `stat` has 52 numbers and a name of at most 64 bytes. */
  readonly #buffer = Buffer.allocUnsafe(4_096)
  readonly sequence: PidSequence
  readonly machine: string
  readonly boot: string

  constructor(root = '/proc', machineIdFile = '/etc/machine-id') {
    this.#root = root
    this.sequence = new PidSequence(root)
    this.machine = readWord(machineIdFile) ?? `host-${readWord(`${root}/sys/kernel/hostname`) ?? 'unknown'}`
    this.boot = readWord(`${root}/sys/kernel/random/boot_id`) ?? 'unknown'
  }

  read(pid: number): Process | undefined {
    const stat = this.#stat(pid)
    if (stat === undefined) return undefined
    const fields = stat.slice(endOfName(stat)).split(' ')
    const state = fields[0] ?? 'X'
    return {
      pid,
      parent: Number(fields[1]),
      session: Number(fields[3]),
      started: Number(fields[19]),
      dead: state === 'Z' || state === 'X',
    }
  }

  #stat(pid: number): string | undefined {
    return readKernelFile(`${this.#root}/${pid}/stat`, this.#buffer)
  }

  /** The argument vector; empty for kernel threads, and for a process that has just gone. */
  args(pid: number): string[] {
    const text = orNoProcess(() => readFileSync(`${this.#root}/${pid}/cmdline`, 'utf8')) ?? ''
    return text === '' ? [] : text.replace(/\0$/, '').split('\0')
  }

  /** The file that it writes its output to, wherever that has been moved; undefined: none that we may know of. */
  output(pid: number): string | undefined {
    return orNoProcess(() => readlinkSync(`${this.#root}/${pid}/fd/1`))
  }

  /**
   * Whether the process is of the user that we are. Several Aegirs on one machine have a user each, and the same nids
   * and alias: what another user's drush works on is never ours.
   */
  isOurs(pid: number): boolean {
    try {
      return statSync(`${this.#root}/${pid}`).uid === process.geteuid?.()
    } catch {
      return false
    }
  }

  /** Pids of those that it has started, the eldest first; none where the kernel keeps no such list (CONFIG_PROC_CHILDREN). */
  children(pid: number): number[] {
    const text = readKernelFile(`${this.#root}/${pid}/task/${pid}/children`, this.#buffer) ?? ''
    return text.split(' ').map(Number).filter(Boolean)
  }

  /** Every process that is alive. */
  list(): Process[] {
    return this.#alive(this.#pids())
  }

  /**
   * Those of one session: looked for at each run's end, so of the others no more is read than whose they are.
   * @param since when it held none but its leader: if no process made since is one of it, no other is looked at.
   */
  ofSession(session: number, since?: PidMark): Process[] {
    const isMember = (pid: number): boolean => this.#sessionOf(pid) === session
    return since && this.#madeNone(isMember, since) ? [] : this.#alive(this.#pids().filter(isMember))
  }

  /** Whether no process made since is such a one. One that went during the look may have left a child, newer than the look. */
  #madeNone(isSuch: (pid: number) => boolean, since: PidMark): boolean {
    const made = this.sequence.since(since)
    if (!made || made.some((pid) => existsSync(`${this.#root}/${pid}`) && isSuch(pid))) return false
    return this.sequence.since(since)?.length === made.length
  }

  #sessionOf(pid: number): number | undefined {
    const stat = this.#stat(pid)
    if (stat === undefined) return undefined
    const start = endOfName(stat)
    return Number(stat.slice(start, start + LONGEST_START).split(' ', 4)[3])
  }

  #pids(): number[] {
    return readdirSync(this.#root).map(Number).filter(Number.isInteger)
  }

  #alive(pids: readonly number[]): Process[] {
    return pids.flatMap((pid) => {
      const process = this.read(pid)
      return process && !process.dead ? [process] : []
    })
  }

  identify(pid: number): ProcessIdentity | undefined {
    const process = this.read(pid)
    return process && { machine: this.machine, boot: this.boot, pid, started: process.started }
  }

  /** Whether exactly that process is alive; a zombie is not. */
  isAlive(identity: ProcessIdentity): boolean {
    if (identity.machine !== this.machine || identity.boot !== this.boot) return false
    const process = this.read(identity.pid)
    return process !== undefined && !process.dead && process.started === identity.started
  }
}

export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.machine === b.machine && a.boot === b.boot && a.pid === b.pid && a.started === b.started
}

/** The second field is the program's name in parentheses, and may itself hold spaces and parentheses. */
function endOfName(stat: string): number {
  return stat.lastIndexOf(')') + 2
}

function readWord(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1').trim() || undefined
  } catch {
    return undefined
  }
}
