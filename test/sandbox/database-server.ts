import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise'
import { asAccount } from './account.js'
import type { SandboxFolder } from './sandbox-folder.js'

/** Small files, and no wait for the disk: what was committed survives the death of the server, not of the machine. */
const STORAGE = [
  '--innodb-data-file-path=ibdata1:4M:autoextend',
  '--innodb-autoextend-increment=4',
  '--innodb-temp-data-file-path=ibtmp1:4M:autoextend',
  '--innodb-log-file-size=32M',
  '--innodb-buffer-pool-size=128M',
  '--innodb-flush-method=nosync',
  '--innodb-flush-log-at-trx-commit=2',
  '--aria-log-file-size=8M',
]

/** Below the ports that the kernel hands out to outgoing connections, so that a restart finds its own port free. */
const PORTS = { first: 20_000, count: 12_000 }

/** A private MariaDB: data, socket and port of its own, in the folder of a sandbox, which also ends it. */
export class DatabaseServer {
  readonly folder: string
  readonly socket: string
  readonly host = '127.0.0.1'
  readonly #sandbox: SandboxFolder
  readonly #options: string[]
  #port = 0
  #process: ChildProcess | undefined
  #output = ''

  private constructor(sandbox: SandboxFolder, name: string, options: string[]) {
    this.#sandbox = sandbox
    this.folder = sandbox.makeFolder(name)
    this.socket = join(this.folder, 'mysqld.sock')
    this.#options = options
    // sun_path holds 108 bytes.
    if (this.socket.length > 100)
      throw new Error(`${this.socket} is too long for a unix socket: set TMPDIR to a shorter path.`)
  }

  /** Makes a server with an empty data directory and starts it; `options` are further options of mariadbd. */
  static async create(
    sandbox: SandboxFolder,
    { name = 'database', options = [] }: { name?: string; options?: string[] } = {},
  ): Promise<DatabaseServer> {
    const server = new DatabaseServer(sandbox, name, options)
    sandbox.makeFolder(join(name, 'data'))
    await server.#bootstrap()
    for (let attempt = 1; ; attempt++) {
      server.#port = await freePort()
      try {
        await server.start()
        return server
      } catch (error) {
        const portTaken = server.#output.includes("Can't start server: Bind on TCP/IP port")
        if (!portTaken || attempt === 5) throw error
      }
    }
  }

  get port(): number {
    return this.#port
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** What mariadbd has said since its last start. */
  get output(): string {
    return this.#output
  }

  /** Another server on a copy of the data of one that is stopped. */
  static async copyOf(original: DatabaseServer, name: string): Promise<DatabaseServer> {
    if (original.running) throw new Error('The data of a running server cannot be copied.')
    const copy = new DatabaseServer(original.#sandbox, name, original.#options)
    cpSync(join(original.folder, 'data'), join(copy.folder, 'data'), { recursive: true, preserveTimestamps: true })
    for (const path of readdirSync(copy.folder, { recursive: true, encoding: 'utf8' })) {
      copy.#sandbox.own(join(copy.folder, path))
    }
    copy.#port = await freePort()
    return copy
  }

  /** Starts it again on the same port and data; `more`: options for this time. */
  async start(more: string[] = []): Promise<void> {
    if (this.#process) return
    this.#output = ''
    const child = this.#spawn([
      `--socket=${this.socket}`,
      `--port=${this.#port}`,
      `--bind-address=${this.host}`,
      `--pid-file=${join(this.folder, 'pid')}`,
      '--skip-name-resolve',
      '--max-connections=400',
      ...this.#options,
      ...more,
    ])
    this.#process = child
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined
    })
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!this.#output.includes('ready for connections')) return
        clearTimeout(late)
        resolve()
      }
      const late = setTimeout(() => {
        reject(new Error(`mariadbd is not ready after a minute:\n${this.#output.split('\n').slice(-15).join('\n')}`))
      }, 60_000)
      child.stderr?.on('data', look)
      child.once('error', reject)
      child.once('exit', () => {
        clearTimeout(late)
        child.stderr?.off('data', look)
        reject(new Error(`mariadbd did not start:\n${this.#output.split('\n').slice(-15).join('\n')}`))
      })
    })
    child.unref()
    unref(child.stderr)
  }

  /** Runs mariadbd with these options to its end, while the server is down. @returns what it said. */
  async runOnce(more: string[]): Promise<string> {
    this.#output = ''
    const child = this.#spawn([`--socket=${this.socket}`, `--port=${this.#port}`, ...this.#options, ...more])
    await once(child, 'close')
    return this.#output
  }

  /** Stops it in order. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Kills it, as a crash does. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Stops it from answering without closing a connection, until `signal('SIGCONT')`. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process?.pid !== undefined) process.kill(this.#process.pid, signal)
  }

  /** A connection as the server's root. */
  connect(options: ConnectionOptions = {}): Promise<Connection> {
    return createConnection({ socketPath: this.socket, user: 'root', ...options })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (!child) return
    child.ref()
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  /** The system tables, by what `mariadb-install-db` does with them; it needs a package that mariadb-server-core does not bring. */
  async #bootstrap(): Promise<void> {
    const child = this.#spawn(['--bootstrap'], 'pipe')
    const exit = once(child, 'exit')
    // A server that ends early says why on its standard error.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(`CREATE DATABASE mysql;\nUSE mysql;\n${systemTables()}`)
    const [code] = (await exit) as [number | null]
    if (code !== 0) throw new Error(`mariadbd --bootstrap failed:\n${this.#output}`)
  }

  #spawn(options: string[], stdin: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const args = [
      '--no-defaults',
      `--datadir=${join(this.folder, 'data')}`,
      `--tmpdir=${this.folder}`,
      ...STORAGE,
      ...options,
    ]
    const child = spawn(mariadbd(), args, {
      cwd: this.folder,
      env: this.#sandbox.environment,
      detached: true,
      stdio: [stdin, 'ignore', 'pipe'],
      ...asAccount(this.#sandbox.account),
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#output += text))
    return child
  }
}

/** Debian keeps mariadbd in a folder that only root has in its PATH. */
function mariadbd(): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/usr/libexec']
  const found = folders.map((folder) => join(folder, 'mariadbd')).find((path) => existsSync(path))
  if (!found) throw new Error('mariadbd is not installed: apt-get install mariadb-server-core')
  return found
}

let systemTablesText: string | undefined

/** MariaDB 11 gave these files and their folder its own name. */
function systemTables(): string {
  if (systemTablesText !== undefined) return systemTablesText
  const share = join(dirname(dirname(mariadbd())), 'share')
  const folders = ['mariadb', 'mysql'].map((name) => join(share, name))
  systemTablesText = ['system_tables.sql', 'system_tables_data.sql']
    .map((file) => {
      const names = folders.flatMap((folder) => [join(folder, `mariadb_${file}`), join(folder, `mysql_${file}`)])
      const path = names.find((name) => existsSync(name))
      if (!path) throw new Error(`None of ${names.join(', ')} exists: is mariadb-server-core installed?`)
      return readFileSync(path, 'utf8')
    })
    .join('\n')
  return systemTablesText
}

/** Whether the programs that a sandbox needs are here; the message of the error says what is not. */
export function checkInstalled(): void {
  mariadbd()
  const php = spawnSync('php', ['-m'], { encoding: 'utf8' })
  if (php.error || !php.stdout.includes('mysqli'))
    throw new Error('php with mysqli is not installed: apt-get install php-cli php-mysql')
}

/** A port of the loopback that nobody listens at. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count)
    const listener = createServer()
    const free = await new Promise<boolean>((resolve) => {
      listener.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => listener.close(resolve))
    return port
  }
}

function unref(stream: unknown): void {
  ;(stream as { unref(): void }).unref()
}
