import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import pino from 'pino'
import { systemClock } from '../../src/daemon/clock.js'
import { MetricsServer } from '../../src/daemon/metrics-server.js'
import { Conditions } from '../../src/observe/conditions.js'
import { waitFor } from '../sandbox/wait-for.js'

interface Line {
  msg: string
  level: number
}

let folder: string
let listen: string | null
let leads: boolean
let computed: number
let lines: Line[]
let loadFault: Error | undefined
/** Milliseconds that the server's clock is ahead. */
let ahead: number
const servers: MetricsServer[] = []
let looking: NodeJS.Timeout

before(() => (folder = mkdtempSync(join(tmpdir(), 'skynet-metrics-'))))
after(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  listen = null
  leads = true
  computed = 0
  ahead = 0
  lines = []
  loadFault = undefined
})
afterEach(() => {
  clearInterval(looking)
  for (const server of servers.splice(0)) server.stop()
})

/** A server whose daemon's loop comes round all the time. */
function start(): MetricsServer {
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) })
  const server = new MetricsServer({
    logger,
    conditions: new Conditions(logger, () => Date.now()),
    clock: { ...systemClock, monotonic: () => performance.now() + ahead },
    listen: () => listen,
    load: () => (loadFault ? Promise.reject(loadFault) : Promise.resolve()),
    pages: {
      '/metrics': () => ({ status: 200, type: 'text/plain', text: `computed ${++computed}\n` }),
      '/bad': () => {
        throw new Error('hunter2')
      },
    },
  })
  servers.push(server)
  looking = setInterval(() => server.keep(leads), 10)
  return server
}

function get(path: string, method = 'GET', to = listen): Promise<{ status: number; text: string }> {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(to ?? '') ?? []
  return new Promise((resolve, reject) => {
    const target = to?.startsWith('/') ? { socketPath: to } : { host, port }
    const asked = request({ ...target, path, method, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject).end()
  })
}

const answers = (to: string | null = listen) =>
  waitFor(() => get('/metrics', 'GET', to).catch(() => undefined), { what: `an answer at ${to ?? 'nowhere'}` })
const hasLine = (msg: string) => waitFor(() => lines.find((line) => line.msg === msg), { what: msg })

async function freePort(): Promise<number> {
  const server = await occupy(0)
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function occupy(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server))
  })
}

describe('the metrics server', () => {
  test('listens where it is told, goes where it is told next, and stops when it is told nothing', async () => {
    const [first, second] = [`127.0.0.1:${await freePort()}`, join(folder, 'metrics.sock')]
    listen = first
    const server = start()
    assert.deepEqual(await answers(), { status: 200, text: 'computed 1\n' })
    listen = second
    await answers()
    assert.equal(statSync(second).mode & 0o777, 0o600)
    await assert.rejects(get('/metrics', 'GET', first), { code: 'ECONNREFUSED' })
    listen = null
    await hasLine('metrics are not served any more')
    assert.ok(!existsSync(second))
    listen = `localhost:${await freePort()}`
    await answers()
    server.stop()
    await assert.rejects(get('/metrics'), { code: 'ECONNREFUSED' })
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['metrics are served', 'metrics are served', 'metrics are not served any more', 'metrics are served'],
    )
  })

  test('knows its pages and no others, and computes one twice a second at most', async () => {
    listen = join(folder, 'pages.sock')
    start()
    await answers()
    assert.deepEqual(await get('/metrics?x=1'), { status: 200, text: 'computed 1\n' })
    assert.deepEqual(await get('/metrics', 'HEAD'), { status: 200, text: '' })
    ahead = 500
    assert.deepEqual(await get('/metrics'), { status: 200, text: 'computed 2\n' })
    assert.equal((await get('/metrics', 'POST')).status, 405)
    for (const path of ['/', '/metrics/', '/__proto__', '/constructor', '//', '/%2e%2e/']) {
      assert.equal((await get(path)).status, 404, path)
    }
    const bad = await get('/bad')
    assert.equal(bad.status, 500)
    assert.doesNotMatch(bad.text, /hunter2/)
    assert.deepEqual(await answers(), { status: 200, text: 'computed 2\n' })
  })

  test('waits for an address that somebody else has, and says so once', async () => {
    const port = await freePort()
    const other = await occupy(port)
    listen = `127.0.0.1:${port}`
    start()
    await hasLine('metrics cannot be served; tasks go on')
    await new Promise((resolve) => other.close(resolve))
    await answers()
    assert.deepEqual(
      lines.map(({ msg, level }) => [level, msg]),
      [
        [40, 'metrics cannot be served; tasks go on'],
        [30, 'metrics are served again'],
      ],
    )
  })

  test('goes on when its library cannot be loaded, and tries again', async () => {
    listen = join(folder, 'load.sock')
    loadFault = new Error('gone')
    start()
    await hasLine('metrics cannot be served; tasks go on')
    loadFault = undefined
    assert.equal((await answers()).status, 200)
  })

  test('of a daemon that does not lead says nothing where the leader has the address, and takes over from it', async () => {
    listen = join(folder, 'both.sock')
    const leader = start()
    clearInterval(looking)
    leader.keep(true)
    await answers()
    leads = false
    const standby = start()
    const inode = statSync(listen).ino
    // Tried and failed: the next try of a standby is seconds away.
    standby.keep(false)
    await waitFor(() => get('/metrics').then(({ status }) => status === 200), { what: 'the leader to answer' })
    assert.equal(statSync(listen).ino, inode, 'the leader has it')
    leads = true
    await waitFor(() => existsSync(listen ?? '') && statSync(listen ?? '').ino !== inode, { what: 'the takeover' })
    await answers()
    leader.stop()
    assert.equal((await answers()).status, 200, 'who has lost it leaves it alone')
    assert.deepEqual(
      lines.filter(({ level }) => level > 30),
      [],
    )
  })

  test('of a daemon that has lost the lead lets go of the address', async () => {
    listen = `127.0.0.1:${await freePort()}`
    const former = start()
    await answers()
    leads = false
    former.yield()
    await waitFor(
      () =>
        get('/metrics').then(
          () => false,
          () => true,
        ),
      { what: 'the address to be free' },
    )
    clearInterval(looking)
    leads = true
    start()
    await answers()
  })
})
