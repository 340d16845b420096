import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { RowDataPacket } from 'mysql2/promise'
import { asAccount } from './account.js'
import { DatabaseServer, freePort } from './database-server.js'
import { Hostmaster } from './hostmaster.js'
import type { Sandbox } from './sandbox.js'
import { waitFor } from './wait-for.js'

/** How a node is parted from the others. */
export type Cut = 'cut off' | 'frozen' | 'killed'

/** One of the two nodes, with the hostmaster as it is seen there. */
export interface GaleraNode {
  readonly name: string
  readonly server: DatabaseServer
  readonly hostmaster: Hostmaster
}

const PROVIDERS = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera/libgalera_smm.so']

/** A node that is silent for so long is put out of the cluster; the whole of the suite waits for that. */
const TIMES = [
  'evs.keepalive_period=PT0.3S',
  'evs.inactive_check_period=PT0.3S',
  'evs.suspect_timeout=PT3S',
  'evs.inactive_timeout=PT6S',
  'evs.install_timeout=PT5S',
  'gmcast.peer_timeout=PT3S',
]

/** How long a node may take for one answer: one that never comes must fail a test, and not hang the suite. */
const LIMIT = 10_000

const GROUP = 'skynet'

/**
 * How a node gets the state of the others, as a program `wsrep_sst_<name>`: what it missed comes from the others' cache of
 * writes, and both programs only hand over the position. The ones that copy all of the data are in packages that nothing
 * here needs.
 */
const TRANSFER = 'position'
const TRANSFER_PROGRAM = `#!/bin/sh
for argument in "$@"; do
  case $last in
    --role) role=$argument ;;
    --gtid) position=$argument ;;
    --datadir) file=$argument/../../position ;;
  esac
  [ "$argument" = --bypass ] && bypass=yes
  last=$argument
done
if [ "$role" = joiner ]; then
  rm -f "$file"
  echo 'ready 127.0.0.1'
  until [ -e "$file" ]; do sleep 0.05; done
  cat "$file"
elif [ "$bypass" = yes ]; then
  echo continue
  echo "$position" >"$file.new"
  mv "$file.new" "$file"
  echo "done $position"
else
  echo 'all of the data was asked for, and not what was missed' >&2
  exit 1
fi
`

/** How long a cluster may take to be whole on a busy machine. */
const PATIENCE = 60_000

/** Two nodes and the arbitrator, which lets either of them go on without the other. */
const MEMBERS = 3

/**
 * Two nodes of a Galera cluster on the loopback, and an arbitrator. It is made of the server of a sandbox, which becomes
 * the first node; the second one begins as its copy. They end with the sandbox.
 */
export class GaleraCluster {
  readonly nodes: readonly [GaleraNode, GaleraNode]
  /** What mariadbd needs to be a node. */
  readonly #options: ReadonlyMap<GaleraNode, string[]>

  private constructor(nodes: readonly [GaleraNode, GaleraNode], options: ReadonlyMap<GaleraNode, string[]>) {
    this.nodes = nodes
    this.#options = options
  }

  static async of(sandbox: Sandbox): Promise<GaleraCluster> {
    const { database, hostmaster, folder } = sandbox
    const ports = [await freePort(), await freePort(), await freePort()] as const
    const members = `gcomm://${ports.map((port) => `127.0.0.1:${port}`).join(',')}`
    folder.writeFile(`bin/wsrep_sst_${TRANSFER}`, TRANSFER_PROGRAM, 0o755)
    const first = { name: 'first', server: database, hostmaster }
    const firstOptions = await nodeOptions(first.name, ports[0], members)

    // Founded before it is copied: a node that does not know its cluster would have all of the data sent.
    await database.stop()
    await database.start([...firstOptions, '--wsrep-new-cluster'])
    // One that is told to stop while it still joins its own cluster never does.
    const isFounded = async () => {
      const { size, isReady } = await stateOf(first)
      return size === 1 && isReady && (await isCurrent(first))
    }
    await waitFor(isFounded, { what: 'the cluster to be founded', timeoutMs: PATIENCE, everyMs: 50 })
    await database.stop()
    const copy = await DatabaseServer.copyOf(database, 'database2')
    const second = { name: 'second', server: copy, hostmaster: Hostmaster.on(copy, hostmaster.credentials) }
    const secondOptions = await nodeOptions(second.name, ports[1], members)

    const options = new Map([
      [first, firstOptions],
      [second, secondOptions],
    ])
    const cluster = new GaleraCluster([first, second], options)
    await database.start([...firstOptions, '--wsrep-new-cluster'])
    await copy.start(secondOptions)
    // An arbitrator leaves a cluster whose members still exchange their state.
    await cluster.whole(MEMBERS - 1)
    const arbitrator = ['--address', members, '--group', GROUP]
    const listening = `gmcast.listen_addr=tcp://127.0.0.1:${ports[2]};${TIMES.join(';')}`
    spawn('garbd', [...arbitrator, '--options', listening, '--log', `${folder.makeFolder('garbd')}/log`], {
      cwd: folder.path,
      env: folder.environment,
      stdio: 'ignore',
      ...asAccount(folder.account),
    }).unref()
    await cluster.whole()
    return cluster
  }

  /** Parts a node from the others. */
  async part(node: GaleraNode, how: Cut): Promise<void> {
    switch (how) {
      case 'cut off':
        await asRoot(node, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
        return
      case 'frozen':
        node.server.signal('SIGSTOP')
        return
      case 'killed':
        await node.server.kill()
    }
  }

  /** Brings a parted node back, and waits until the cluster is whole. */
  async rejoin(node: GaleraNode, how: Cut): Promise<void> {
    switch (how) {
      case 'cut off':
        await asRoot(node, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")
        break
      case 'frozen':
        node.server.signal('SIGCONT')
        break
      case 'killed': {
        // As Debian's unit does: without its position it would have all of the data sent.
        const options = this.#options.get(node) ?? []
        const said = await node.server.runOnce([...options, '--wsrep-recover'])
        const position = /Recovered position:\s*(\S+)/.exec(said)?.[1]
        if (position === undefined) throw new Error(`mariadbd --wsrep-recover told no position:\n${said}`)
        await node.server.start([...options, `--wsrep-start-position=${position}`])
      }
    }
    await this.whole()
  }

  /** Waits until both nodes serve, and see each other. */
  async whole(members = MEMBERS): Promise<void> {
    let seen: unknown
    const look = async () => {
      const states = await Promise.all(this.nodes.map((node) => stateOf(node)))
      seen = states
      const isWhole = states.every(({ size, isReady }) => size === members && isReady)
      return isWhole && (await Promise.all(this.nodes.map(isCurrent))).every((is) => is)
    }
    await waitFor(look, {
      what: 'the cluster to be whole',
      timeoutMs: PATIENCE,
      everyMs: 100,
      lastSeen: () => [JSON.stringify(seen), ...this.nodes.map(({ server }) => lastWords(server))].join('\n'),
    })
  }

  /** Waits until a node goes on without the parted one. */
  async goesOn(node: GaleraNode): Promise<void> {
    let seen: unknown
    const look = async () => {
      const { size, isReady } = await stateOf(node)
      seen = { size, isReady }
      return size === MEMBERS - 1 && isReady && (await isCurrent(node))
    }
    await waitFor(look, {
      what: `the ${node.name} node to go on without the other`,
      timeoutMs: PATIENCE,
      everyMs: 50,
      lastSeen: () => `${JSON.stringify(seen)}\n${lastWords(node.server)}`,
    })
  }

  /** Waits until a node that was cut off has noticed it, and serves nobody any more. */
  async parted(node: GaleraNode): Promise<void> {
    const look = async () => !(await stateOf(node)).isReady
    await waitFor(look, { what: `the ${node.name} node to be out of the cluster`, timeoutMs: PATIENCE, everyMs: 50 })
  }
}

async function nodeOptions(name: string, port: number, members: string): Promise<string[]> {
  const provider = PROVIDERS.find((path) => existsSync(path))
  if (!provider) throw new Error('Galera is not installed: apt-get install galera-4 galera-arbitrator-4')
  const ist = `127.0.0.1:${await freePort()}`
  const listening = `gmcast.listen_addr=tcp://127.0.0.1:${port};ist.recv_addr=${ist};gcache.size=32M;repl.causal_read_timeout=PT3S`
  return [
    '--wsrep-on=ON',
    `--wsrep-provider=${provider}`,
    `--wsrep-provider-options=${listening};${TIMES.join(';')}`,
    `--wsrep-cluster-name=${GROUP}`,
    `--wsrep-cluster-address=${members}`,
    '--wsrep-node-address=127.0.0.1',
    `--wsrep-node-name=${name}`,
    `--wsrep-sst-method=${TRANSFER}`,
    '--binlog-format=ROW',
    '--innodb-autoinc-lock-mode=2',
  ]
}

async function asRoot({ server }: GaleraNode, statement: string): Promise<void> {
  const connection = await server.connect()
  try {
    await connection.query({ sql: statement, timeout: LIMIT })
  } finally {
    connection.destroy()
  }
}

/** What a node knows of the cluster; one that has been frozen still believes what it knew before. */
async function stateOf({ server }: GaleraNode): Promise<{ size: number; isReady: boolean }> {
  const connection = await server.connect()
  try {
    const [rows] = await connection.query<RowDataPacket[]>({
      sql: "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_ready')",
      timeout: LIMIT,
    })
    const values = new Map(rows.map((row) => [row['Variable_name'], row['Value']]))
    return { size: Number(values.get('wsrep_cluster_size')), isReady: values.get('wsrep_ready') === 'ON' }
  } finally {
    connection.destroy()
  }
}

/** Whether the node takes part: it must have everything that the others have to answer this. */
async function isCurrent(node: GaleraNode): Promise<boolean> {
  const connection = await node.server.connect({ database: node.hostmaster.credentials.db })
  try {
    await connection.query({ sql: 'SET SESSION wsrep_sync_wait = 1', timeout: LIMIT })
    await connection.query({ sql: 'SELECT COUNT(*) FROM semaphore', timeout: LIMIT })
    return true
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}

function lastWords({ output }: DatabaseServer): string {
  const lines = output.split('\n').filter((line) => !line.includes('Aborted connection'))
  return lines.slice(-20).join('\n')
}
