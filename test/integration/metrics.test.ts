import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon } from '../sandbox/leader.js'
import { PrometheusText } from '../sandbox/prometheus-text.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]
let listen: string

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 12, { servers: 3 })
  listen = `127.0.0.1:${await freePort()}`
})
afterEach(async () => {
  await sandbox.database.start()
  await endDaemons(sandbox)
})
after(() => sandbox.close())

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Response {
  status: number
  type: string
  text: string
}

function get(path: string, at = listen): Promise<Response> {
  const [host, port] = at.split(':')
  return new Promise((resolve, reject) => {
    const target = at.startsWith('/') ? { socketPath: at } : { host, port }
    const asked = request({ ...target, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      const { statusCode: status = 0, headers } = response
      response.on('end', () => resolve({ status, type: headers['content-type'] ?? '', text }))
    })
    asked.on('error', reject).end()
  })
}

async function metrics(at = listen): Promise<PrometheusText> {
  const { status, text } = await get('/metrics', at)
  assert.equal(status, 200, text)
  return new PrometheusText(text)
}

function waitForAnswer(
  what: string,
  path: string,
  fits: (response: Response) => boolean,
  at = listen,
): Promise<Response> {
  const look = async () => {
    const response = await get(path, at).catch(() => undefined)
    return response && fits(response) && response
  }
  return sandbox.waitFor(look, { what, timeoutMs: PATIENCE_MS })
}

const waitForMetrics = (what: string, fits: (text: PrometheusText) => boolean, at = listen) =>
  waitForAnswer(what, '/metrics', ({ status, text }) => status === 200 && fits(new PrometheusText(text)), at)

test('what /metrics says while 60 tasks run is well-formed throughout, and equals what the journal says in the end', async (t) => {
  configure(sandbox, { queue: { concurrent_tasks: 4 }, metrics: { listen } })
  const daemon = await startLeader(sandbox)
  const ends = ['success', 'success', 'warning', 'error', 'logged_error'] as const
  const types = ['verify', 'backup', 'flush_cache']
  const queued = Array.from({ length: 60 }, (_none, index) => ({
    object: sites[index % sites.length] ?? 0,
    type: types[index % types.length] ?? 'verify',
    arguments: { sandbox_ms: '30', sandbox_log: '0', sandbox_end: ends[index % ends.length] ?? 'success' },
  }))
  for (const task of queued) await sandbox.hostmaster.queueTask(task)
  let asked = 0
  let most = { running: 0, waiting: 0 }
  await sandbox.waitFor(
    async () => {
      const text = await metrics()
      asked += 1
      most = {
        running: Math.max(most.running, text.value('skynet_tasks_running') ?? 0),
        waiting: Math.max(most.waiting, text.total('skynet_tasks_waiting')),
      }
      return text.total('skynet_tasks_total') === 60
    },
    { what: '60 tasks in the metrics', timeoutMs: 120_000 },
  )
  t.diagnostic(`asked ${asked} times; at most ${most.running} running and ${most.waiting} waiting`)
  assert.ok(most.running >= 1 && most.running <= 4)
  assert.ok(most.waiting > 0 && most.waiting <= 60)

  const { text, type } = await get('/metrics')
  assert.match(type, /^text\/plain; version=0\.0\.4/)
  const page = new PrometheusText(text)
  const outcomes: Record<number, string> = { 1: 'success', 2: 'error', 3: 'warning' }
  const ended = sandbox.journalFile.of('end')
  assert.equal(ended.length, 60)
  const byLabels = new Map<string, number>()
  for (const { type: taskType = '', status = 0 } of ended) {
    const key = `${taskType} ${outcomes[status] ?? '?'}`
    byLabels.set(key, (byLabels.get(key) ?? 0) + 1)
  }
  for (const [key, count] of byLabels) {
    const [taskType = '', outcome = ''] = key.split(' ')
    assert.equal(page.value('skynet_tasks_total', { type: taskType, outcome }), count, key)
  }
  for (const taskType of types) {
    const its = (entries: typeof ended) => entries.filter((entry) => entry.type === taskType)
    const { count, sum } = page.histogram('skynet_task_duration_seconds', { type: taskType }) ?? { count: 0, sum: 0 }
    assert.equal(count, its(ended).length)
    // The journal's times are those of the tasks, within the life of their processes.
    const worked = its(ended).reduce((seconds, { nid, time }) => {
      return seconds + time - (sandbox.journalFile.of('start', nid)[0]?.time ?? time)
    }, 0)
    assert.ok(sum >= worked, `${taskType}: ${sum} s, of which ${worked} s at work`)
  }
  assert.equal(page.histogram('skynet_task_wait_seconds')?.count, 60)
  assert.equal(page.total('skynet_tasks_waiting'), 0)
  assert.equal(page.value('skynet_tasks_running'), 0)
  assert.equal(page.value('skynet_oldest_waiting_seconds'), 0)
  assert.equal(page.value('skynet_db_up'), 1)
  assert.equal(page.value('skynet_leader'), 1)
  assert.ok((page.histogram('skynet_poll_duration_seconds')?.count ?? 0) > 0)
  assert.ok(Math.abs((page.value('skynet_last_poll_timestamp_seconds') ?? 0) - Date.now() / 1000) < 30)
  assert.ok(
    page.labels.every((label) => /^(type|outcome|reason|version|node)=[\w.-]+$/.test(label)),
    page.labels.join(),
  )
  assert.doesNotMatch(text, /example|hostmaster/)

  // Debian's prometheus brings promtool, at a hundred megabytes: it judges where it is.
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  if (lint.error) t.diagnostic('promtool is not installed')
  else assert.deepEqual([lint.status, lint.stdout, lint.stderr], [0, '', ''])
  await stopDaemon(daemon)
  await assert.rejects(get('/livez'), { code: 'ECONNREFUSED' })
})

test('waiting tasks are counted by why they wait, and the oldest has its age', async () => {
  configure(sandbox, { queue: { concurrent_tasks: 4, paused: 'yes' }, metrics: { listen } })
  const changed = Math.floor(Date.now() / 1000) - 600
  const [first = 0, second = 0] = sites
  const slow = { sandbox_until: 'metrics-go', sandbox_log: '0' }
  const oldest = await sandbox.hostmaster.queueTask({ object: first, type: 'verify', changed, arguments: slow })
  const behind = await sandbox.hostmaster.queueTask({ object: first, type: 'backup' })
  const other = await sandbox.hostmaster.queueTask({ object: second, type: 'verify' })
  const daemon = await startLeader(sandbox)
  const waits = (text: PrometheusText, reason: string) => text.value('skynet_tasks_waiting', { reason })
  await waitForMetrics('three paused tasks', (text) => waits(text, 'paused') === 3)
  const age = (await metrics()).value('skynet_oldest_waiting_seconds') ?? 0
  assert.ok(Math.abs(age - 600) < 60, `${age} s`)
  configure(sandbox, { queue: { concurrent_tasks: 4 }, metrics: { listen } })
  await sandbox.waitForStatus(other.nid, 1, PATIENCE_MS)
  const isSo = (text: PrometheusText) => {
    return text.value('skynet_tasks_running') === 1 && waits(text, 'behind-same-object') === 1
  }
  await waitForMetrics('one that runs and one behind it', isSo)
  sandbox.release('metrics-go')
  for (const { nid } of [oldest, behind]) await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  await stopDaemon(daemon)
})

test('a lost database makes the daemon not ready, and no less alive', async () => {
  configure(sandbox, { metrics: { listen } })
  const daemon = await startLeader(sandbox)
  await waitForAnswer('ready', '/readyz', ({ status }) => status === 200)
  assert.deepEqual(await get('/livez'), { status: 200, type: 'text/plain; charset=utf-8', text: 'ok\n' })
  await sandbox.database.kill()
  await waitForMetrics('a database that is down', (text) => text.value('skynet_db_up') === 0)
  const ready = await waitForAnswer('not ready', '/readyz', ({ status }) => status === 503)
  assert.equal(ready.text, 'the database is not usable\n')
  assert.equal((await get('/livez')).status, 200)
  await sandbox.database.start()
  await waitForAnswer('ready again', '/readyz', ({ status }) => status === 200)
  await waitForMetrics('a database that is up', (text) => text.value('skynet_db_up') === 1)
  await stopDaemon(daemon)
})

test('a daemon whose loop hangs is neither ready nor alive', async () => {
  configure(sandbox, { metrics: { listen } })
  const stop = join(sandbox.home, 'clock-stop')
  const limits = { liveness: { late: 300, patience: 3_600_000 } }
  sandbox.startFastDaemon(1, [], { SANDBOX_CLOCK_STOP: stop, SANDBOX_LIMITS: JSON.stringify(limits) })
  await waitForAnswer('ready', '/readyz', ({ status }) => status === 200)
  sandbox.folder.writeFile('home/clock-stop', '')
  const dead = await waitForAnswer('not alive', '/livez', ({ status }) => status === 503)
  assert.equal(dead.text, 'no poll is completed although the database answers\n')
  assert.equal((await get('/readyz')).text, 'the last poll is too old\n')
})

test('nothing is served unless it is configured, and a change of configuration is applied at once', async () => {
  configure(sandbox)
  const daemon = await startLeader(sandbox)
  const [object = 0] = sites
  const uncounted = await sandbox.hostmaster.queueTask({ object, type: 'verify' })
  await sandbox.waitForStatus(uncounted.nid, 1, PATIENCE_MS)
  await assert.rejects(get('/livez'), { code: 'ECONNREFUSED' })
  assert.deepEqual(linesOf(daemon, 'metrics are served'), [])
  configure(sandbox, { metrics: { listen } })
  await waitForMetrics('metrics', (text) => text.value('skynet_leader') === 1)
  const counted = await sandbox.hostmaster.queueTask({ object, type: 'verify' })
  await sandbox.waitForStatus(counted.nid, 1, PATIENCE_MS)
  await waitForMetrics('one task', (text) => text.total('skynet_tasks_total') === 1)
  const socket = join(sandbox.home, 'metrics.sock')
  configure(sandbox, { metrics: { listen: socket } })
  await waitForMetrics('the same at a socket', (text) => text.total('skynet_tasks_total') === 1, socket)
  await assert.rejects(get('/livez'), { code: 'ECONNREFUSED' })
  await stopDaemon(daemon)
})

test('metrics that are turned on when an upgrade has taken their library away cost no task', async () => {
  const own = await Sandbox.create({ ownInstall: true })
  try {
    const [object = 0] = await makeSites(own, 1)
    configure(own)
    const daemon = await startLeader(own)
    rmSync(join(own.install.root, 'node_modules/prom-client'), { recursive: true })
    configure(own, { metrics: { listen: `127.0.0.1:${await freePort()}` } })
    const line = await daemon.waitForLog('metrics cannot be served; tasks go on', { timeoutMs: PATIENCE_MS })
    assert.equal(line.level, 'warn')
    assert.match(JSON.stringify(line['err']), /prom-client cannot be loaded; after an upgrade, restart the daemon/)
    const { nid } = await own.hostmaster.queueTask({ object, type: 'verify' })
    await own.waitForStatus(nid, 1, PATIENCE_MS)
    assert.equal(linesOf(daemon, 'metrics cannot be served; tasks go on').length, 1)
    await stopDaemon(daemon)
  } finally {
    await own.close()
  }
})

test('of two daemons with one address the leader has it; a standby with one of its own is ready too', async () => {
  configure(sandbox, { metrics: { listen } })
  const leader = await startLeader(sandbox)
  await waitForAnswer('ready', '/readyz', ({ status }) => status === 200)
  const second = sandbox.startDaemon()
  await second.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  const own = `127.0.0.1:${await freePort()}`
  const third = sandbox.startDaemon(['--set', `metrics.listen=${own}`])
  await third.waitForLog('standing by; another daemon leads', { timeoutMs: PATIENCE_MS })
  await waitForAnswer('a standby that is ready', '/readyz', ({ status }) => status === 200, own)
  const standby = await metrics(own)
  assert.deepEqual([standby.value('skynet_leader'), standby.value('skynet_db_up')], [0, 1])
  await stopDaemon(third)
  await stopDaemon(leader)
  await waitForMetrics('the second to lead', (text) => text.value('skynet_leader') === 1)
  assert.deepEqual(linesOf(second, 'metrics cannot be served; tasks go on'), [])
  await stopDaemon(second)
})
