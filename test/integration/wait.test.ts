import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { PATIENCE_MS, configure, linesOf, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { waitFor } from '../sandbox/wait-for.js'

let sandbox: Sandbox
let site: number

before(async () => {
  sandbox = await Sandbox.create()
  site = (await makeSites(sandbox, 1))[0] ?? 0
})
afterEach(async () => {
  await sandbox.database.start()
  await endDaemons(sandbox)
})
after(() => sandbox.close())

const removeConfig = () => rmSync(join(sandbox.configFolder, 'skynet.conf'), { force: true })

function said(daemon: DaemonProcess, words: RegExp): Promise<unknown> {
  return waitFor(() => words.test(daemon.stderr), {
    what: `${String(words)} on standard error`,
    timeoutMs: PATIENCE_MS,
    lastSeen: () => daemon.lastWords(),
  })
}

async function runsTasks(daemon: DaemonProcess): Promise<void> {
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid, { timeoutMs: PATIENCE_MS })
}

test('without --wait a missing or bad configuration ends the daemon with status 78 and what to do', async () => {
  removeConfig()
  const missing = sandbox.startDaemon()
  assert.deepEqual(await missing.waitForExit(), { code: 78, signal: null })
  assert.match(missing.stderr, /skynet\.conf.* does not exist/)
  sandbox.writeConfig({ queue: { concurrent_tasks: 'two' } })
  const bad = sandbox.startDaemon()
  assert.deepEqual(await bad.waitForExit(), { code: 78, signal: null })
  assert.match(bad.stderr, /concurrent_tasks is "two", but must be a whole number/)
})

test('--wait waits for a configuration that is missing, then bad, then readable by others, and starts with the good one', async () => {
  removeConfig()
  const daemon = sandbox.startDaemon(['--wait'])
  await said(daemon, /waiting for a good configuration:[^]*does not exist/)
  sandbox.writeConfig({ queue: { concurrent_tasks: 'two' } })
  await said(daemon, /concurrent_tasks is "two"/)
  sandbox.writeConfig({}, { mode: 0o644 })
  await said(daemon, /mode 0644, which lets other users in; mend: chmod 600/)
  configure(sandbox)
  await runsTasks(daemon)
  assert.equal(daemon.stderr.match(/waiting for a good configuration/g)?.length, 3, 'each fault is told once')
})

test('a daemon that waits for its configuration obeys TERM and INT, reads again at HUP, and never opens the debugger', async () => {
  removeConfig()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const daemon = sandbox.startDaemon(['--wait'])
    await said(daemon, /does not exist/)
    daemon.kill(signal)
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  }
  const daemon = sandbox.startDaemon(['--wait'])
  await said(daemon, /does not exist/)
  daemon.kill('SIGUSR1')
  daemon.kill('SIGUSR2')
  configure(sandbox)
  daemon.kill('SIGHUP')
  await runsTasks(daemon)
  assert.doesNotMatch(daemon.stderr, /[Dd]ebugger/)
})

test('without --wait a database that is down ends the daemon with status 69 and what to do', async () => {
  configure(sandbox)
  await sandbox.database.stop()
  const daemon = sandbox.startDaemon()
  assert.deepEqual(await daemon.waitForExit(), { code: 69, signal: null })
  assert.match(daemon.stderr, /The database hostmaster at 127\.0\.0\.1 cannot be reached/)
  assert.match(daemon.stderr, /--wait/)
})

test('--wait waits for a database that is down at the start, says so once, and works when it comes', async () => {
  configure(sandbox)
  await sandbox.database.stop()
  const daemon = sandbox.startDaemon(['--wait'])
  await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
  await waitForStatusOf(sandbox, 'a status that says so', ({ role }) => role === 'connecting')
  await sandbox.database.start()
  await runsTasks(daemon)
  assert.equal(linesOf(daemon, 'database is not usable; waiting for it').length, 1)
  assert.equal(linesOf(daemon, 'database is back').length, 1)
})

test('wrong credentials end a daemon with status 78; with --wait it takes the right ones when they are written', async () => {
  const database = { ...sandbox.databaseSection(), passwd: 'wrong' }
  const queue = { poll_interval: '50ms', max_load: 1000 }
  sandbox.writeConfig({ database, queue })
  const denied = sandbox.startDaemon()
  assert.deepEqual(await denied.waitForExit(), { code: 78, signal: null })
  assert.match(denied.stderr, /does not serve user hostmaster/)
  assert.doesNotMatch(denied.stderr, /wrong[^ ]*\.$|passwd/)
  const daemon = sandbox.startDaemon(['--wait'])
  await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
  configure(sandbox)
  await runsTasks(daemon)
})

test('TERM is obeyed at once while the database is down, and while a connect to it hangs', async () => {
  configure(sandbox)
  await sandbox.database.stop()
  const daemon = sandbox.startDaemon(['--wait'])
  await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: PATIENCE_MS })
  await leavesAtOnce(daemon)

  await sandbox.database.start()
  await using proxy = await Proxy.listen({ host: sandbox.database.host, port: sandbox.database.port })
  proxy.stall()
  const queue = { poll_interval: '50ms', max_load: 1000 }
  sandbox.writeConfig({ database: { ...sandbox.databaseSection(), port: proxy.port }, queue })
  const stalled = sandbox.startDaemon(['--wait'])
  await stalled.waitForLog('skynet starts', { timeoutMs: PATIENCE_MS })
  await waitFor(() => proxy.connections > 0, { what: 'a connect', timeoutMs: PATIENCE_MS })
  await leavesAtOnce(stalled)
})

test('TERM is obeyed at once while a statement hangs', async () => {
  await using proxy = await Proxy.listen({ host: sandbox.database.host, port: sandbox.database.port })
  const queue = { poll_interval: '50ms', max_load: 1000 }
  sandbox.writeConfig({ database: { ...sandbox.databaseSection(), port: proxy.port }, queue })
  const daemon = await startLeader(sandbox)
  await runsTasks(daemon)
  proxy.stall()
  await leavesAtOnce(daemon)
})

async function leavesAtOnce(daemon: DaemonProcess): Promise<void> {
  const asked = performance.now()
  daemon.kill('SIGTERM')
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null })
  const took = performance.now() - asked
  assert.ok(took < 5_000, `${took} ms`)
}
