import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'

/** What looking for the socket touches of the machine. */
export interface SocketSurroundings {
  /** Runs a piece of PHP and gives what it printed; rejects where there is no PHP, or it fails, or takes too long. */
  runPhp: (code: string) => Promise<string>
  isSocket: (path: string) => Promise<boolean>
}

const PHP_CODE = "echo json_encode([ini_get('pdo_mysql.default_socket'), ini_get('mysqli.default_socket')]);"

/** Debian's own, then those that MariaDB and MySQL are built with elsewhere. */
const WELL_KNOWN = [
  '/run/mysqld/mysqld.sock',
  '/var/run/mysqld/mysqld.sock',
  '/var/lib/mysql/mysql.sock',
  '/run/mysql/mysql.sock',
  '/tmp/mysql.sock',
]

/**
 * The socket of a database server on `localhost`, as PHP, and so Aegir, finds it: PHP's own answer counts even while
 * nothing is there, because a server that is down comes back there. Null: use the port.
 */
export async function findDatabaseSocket({ runPhp, isSocket }: SocketSurroundings = MACHINE): Promise<string | null> {
  const answers = await runPhp(PHP_CODE).then(socketsIn, () => [])
  if (answers[0] !== undefined) return answers[0]
  for (const path of WELL_KNOWN) if (await isSocket(path)) return path
  return null
}

function socketsIn(output: string): string[] {
  // PHP may print warnings of its own start before it.
  const line = output.trim().split('\n').at(-1) ?? ''
  try {
    const answers: unknown = JSON.parse(line)
    return Array.isArray(answers)
      ? answers.filter((each): each is string => typeof each === 'string' && each.startsWith('/'))
      : []
  } catch {
    return []
  }
}

const PHP_TIME_LIMIT_MS = 2000

const MACHINE: SocketSurroundings = {
  runPhp: (code) =>
    new Promise((resolve, reject) => {
      // No more of our environment than PHP needs: it may hold the database password.
      const { PATH, HOME } = process.env
      const options = { timeout: PHP_TIME_LIMIT_MS, killSignal: 'SIGKILL', env: { PATH, HOME }, cwd: '/' } as const
      const child = execFile('php', ['-r', code], options, (error, stdout) => {
        if (error instanceof Error) reject(error)
        else resolve(stdout)
      })
      child.stdin?.end()
    }),
  isSocket: (path) =>
    stat(path).then(
      (stats) => stats.isSocket(),
      () => false,
    ),
}
