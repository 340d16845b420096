import { execFile } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { loadavg } from 'node:os'
import { ProcessTable } from '../../runner/process-table.js'

export interface ProgramResult {
  /** Exit status; 1 when a signal ended it. */
  code: number
  stdout: string
  stderr: string
}

/** What the doctor asks of the machine; a test gives another one. */
export interface Machine {
  /** Milliseconds since 1970. */
  now: () => number
  /** The load over the last minute. */
  load: () => number
  /** Of the file system that holds a path: bytes that this user may still write, and its type as statfs(2) numbers it. */
  disk: (path: string) => { free: number; type: number }
  /** Name of the systemd service that a process is part of; undefined where it is of none. */
  unitOf: (pid: number) => string | undefined
  /** Runs a program to its end; undefined where there is none of this name. */
  run: (command: string, args: string[], environment: NodeJS.ProcessEnv) => Promise<ProgramResult | undefined>
  processes: ProcessTable
}

/** crontab, sudo and systemctl answer at once, or hang on a directory service. */
const LIMIT = 20_000

export function thisMachine(): Machine {
  return {
    now: () => Date.now(),
    load: () => loadavg()[0] ?? 0,
    disk: (path) => {
      const { bavail, bsize, type } = statfsSync(path)
      return { free: bavail * bsize, type }
    },
    unitOf: (pid) => {
      try {
        const cgroups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        return /^(?:0:|\d+:name=systemd):.*\/([^/\n]+\.service)$/m.exec(cgroups)?.[1]
      } catch {
        return undefined
      }
    },
    run: (command, args, environment) =>
      new Promise((resolve) => {
        const options = { env: environment, cwd: '/', timeout: LIMIT, maxBuffer: 16 << 20, encoding: 'utf8' } as const
        const child = execFile(command, args, options, (error, stdout, stderr) => {
          const code = error ? (error.code ?? 1) : 0
          resolve(typeof code === 'string' ? undefined : { code, stdout, stderr })
        })
        child.stdin?.end()
      }),
    processes: new ProcessTable(),
  }
}
