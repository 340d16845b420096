import { readFileSync, readdirSync } from 'node:fs'
import type { Hostmaster } from '../sandbox/hostmaster.js'

/** What the kernel and the server count of a daemon: figures that do not depend on what else the machine does. */

/** Milliseconds of processor that a process has used with all its threads, to the nanosecond; without its children. */
export function cpuMs(pid: number): number {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6
  }
  return sum
}

/** Mebibytes of memory that are the process's alone or shared with others. */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kb) / 1024
}

export interface Served {
  statements: number
  rowsRead: number
  /** Milliseconds that the server worked for the user. */
  busyMs: number
}

/** What the server has done for the hostmaster's user since it was started; needs `--userstat=1`. */
export async function servedTo(hostmaster: Hostmaster): Promise<Served> {
  const [row] = await hostmaster.query<{ statements: unknown; rows: unknown; busy: unknown }>(
    `SELECT SELECT_COMMANDS + UPDATE_COMMANDS + OTHER_COMMANDS AS statements, ROWS_READ AS 'rows', BUSY_TIME AS busy
      FROM information_schema.USER_STATISTICS WHERE USER = ?`,
    [hostmaster.credentials.user],
  )
  return {
    statements: Number(row?.statements ?? 0),
    rowsRead: Number(row?.rows ?? 0),
    busyMs: Number(row?.busy ?? 0) * 1000,
  }
}

/** How many statements the server has been sent by anybody; what a compound statement does in itself is not sent. */
export async function sentStatements(hostmaster: Hostmaster): Promise<number> {
  const [row] = await hostmaster.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Questions'")
  return Number(row?.Value)
}

/** How many connections the hostmaster's user has. */
export async function connectionsOf(hostmaster: Hostmaster): Promise<number> {
  const [row] = await hostmaster.query<{ count: number }>(
    'SELECT COUNT(*) AS count FROM information_schema.PROCESSLIST WHERE USER = ?',
    [hostmaster.credentials.user],
  )
  return Number(row?.count)
}

/** Processes of a session, by the third field behind the name in /proc/PID/stat. */
export function processesOfSession(session: number): number {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]) === session
    } catch {
      return false
    }
  }).length
}
