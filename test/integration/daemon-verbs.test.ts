import assert from 'node:assert/strict'
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { endDaemons } from '../sandbox/end-daemons.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, faultsOf, linesOf, startLeader } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 2)
  configure(sandbox)
})
afterEach(() => endDaemons(sandbox))
after(() => sandbox.close())

async function running(until: string): Promise<{ nid: number; follower: number }> {
  const [object = 0, other = 0] = sites
  const { nid } = await sandbox.hostmaster.queueTask({ object, type: 'verify', arguments: { sandbox_until: until } })
  await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
  return { nid, follower: (await sandbox.hostmaster.queueTask({ object: other, type: 'verify' })).nid }
}

test('stop: the daemon leaves at once, its task goes on and is adopted by the next', async () => {
  const daemon = await startLeader(sandbox)
  const { nid, follower } = await running('stop')
  const result = await sandbox.skynet(['stop'])
  assert.equal(result.code, 0, result.stderr)
  assert.equal(result.stdout, `The daemon, process ${daemon.pid}, has left. 1 running task goes on.\n`)
  assert.equal(result.stderr, '')
  assert.deepEqual(await daemon.exited, { code: 0, signal: null })
  assert.equal(await sandbox.hostmaster.currentStatus(nid), -1)
  const next = await startLeader(sandbox)
  await next.waitForLog('run adopted', { timeoutMs: PATIENCE_MS })
  sandbox.release('stop')
  await sandbox.waitForStatus(follower, 1, PATIENCE_MS)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
})

test('drain: the daemon starts nothing more, and leaves when its task has ended', async () => {
  const daemon = await startLeader(sandbox, [], { SUPERVISOR_ENABLED: '1', SUPERVISOR_PROCESS_NAME: 'skynet-queue' })
  const { nid, follower } = await running('drain')
  const early = await sandbox.skynet(['drain', '--no-wait', '--json'])
  const answer = JSON.parse(early.stdout) as Record<string, unknown>
  assertFitsSchema('drain', answer)
  assert.deepEqual(answer, {
    ok: true,
    pid: daemon.pid,
    running: 1,
    standbys: [],
    kept_up_by: { name: 'Supervisor', stop_command: 'supervisorctl stop skynet-queue' },
    has_left: false,
  })
  assert.match(early.stderr, /^Supervisor starts it again\. To keep it stopped: supervisorctl stop skynet-queue$/m)
  const waiting = sandbox.skynet(['drain'])
  await daemon.waitForLog((entry) => entry.msg === 'asked to leave' && linesOf(daemon, 'asked to leave').length === 2)
  assert.equal(await sandbox.hostmaster.currentStatus(follower), 0)
  sandbox.release('drain')
  const result = await waiting
  assert.equal(result.code, 0, result.stderr)
  assert.match(result.stderr, new RegExp(`^Waiting for ${nid} verify s0-\\S+\\.$`, 'm'))
  assert.equal(result.stdout, `The daemon, process ${daemon.pid}, has left.\n`)
  assert.deepEqual(await daemon.exited, { code: 0, signal: null })
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  assert.equal(await sandbox.hostmaster.currentStatus(follower), 0)
})

test('reload: the log is opened anew and the configuration read; a bad one is refused and not sent', async () => {
  const log = join(sandbox.home, 'skynet.log')
  configure(sandbox, { log: { file: log } })
  sandbox.startDaemon()
  await sandbox.waitFor(async () => (await sandbox.skynet(['status'])).code === 0, {
    what: 'the daemon',
    timeoutMs: PATIENCE_MS,
  })
  renameSync(log, `${log}.1`)
  const result = await sandbox.skynet(['reload'])
  assert.deepEqual([result.code, result.stderr], [0, ''])
  await sandbox.waitFor(() => existsSync(log), { what: 'the new log' })
  configure(sandbox, { log: { file: log, levle: 'debug' } })
  const bad = await sandbox.skynet(['reload'])
  assert.equal(bad.code, 78)
  assert.match(bad.stderr, /unknown key levle; did you mean level/)
  configure(sandbox)
})

test('log-level: for a while, or until the configuration says another one', async () => {
  const daemon = await startLeader(sandbox)
  const short = await sandbox.skynet(['log-level', 'debug', '--for', '500ms'])
  assert.equal(short.code, 0, short.stderr)
  assert.equal(short.stdout, 'The daemon logs at level debug for 500ms; then at info again.\n')
  await daemon.waitForLog('log level is that of the configuration again')
  const levels = linesOf(daemon, 'log level changed').map(({ log_level, for_ms }) => [log_level, for_ms])
  assert.deepEqual(levels, [['debug', 500]])
  const long = await sandbox.skynet(['log-level', 'warn'])
  assert.match(long.stdout, /^The daemon logs at level warn until it is restarted, or .*; then at info again\.$/m)
  for (const args of [['loud'], ['debug', '--for', 'ever'], ['debug', '--for', '2d']]) {
    assert.equal((await sandbox.skynet(['log-level', ...args])).code, 2)
  }
})

test('with a configuration that cannot be read by now the daemon that runs is steered all the same', async () => {
  const daemon = await startLeader(sandbox)
  const local = join(sandbox.configFolder, 'local.skynet.conf')
  sandbox.writeConfig({ log: { level: 'debug' } }, { file: 'local.skynet.conf' })
  try {
    chmodSync(local, 0o644)
    await daemon.waitForLog('configuration is bad; the last good one stays in force', { timeoutMs: PATIENCE_MS })
    for (const args of [
      ['status'],
      ['pause', '--object', 'any'],
      ['resume', '--all'],
      ['scale', '2'],
      ['log-level', 'info'],
    ]) {
      const { code, stderr } = await sandbox.skynet(args)
      assert.match(stderr, /^The configuration is not right; a daemon .*\n.*local\.skynet\.conf: /, args.join(' '))
      assert.equal(code, args[0] === 'status' ? 1 : 0, stderr)
    }
    rmSync(join(sandbox.configFolder, 'skynet.conf'))
    const { code, stderr } = await sandbox.skynet(['stop'])
    assert.equal(code, 0, stderr)
    await daemon.waitForExit()
    sandbox.daemons.splice(0)
    const faults = faultsOf(daemon).filter(({ msg }) => !msg.startsWith('configuration is bad'))
    assert.deepEqual(faults, [])
  } finally {
    rmSync(local)
    configure(sandbox)
  }
})

test('a file that is not the own one, and is bad, leads to no daemon at all', async () => {
  await startLeader(sandbox)
  const other = sandbox.writeConfig({ queue: { concurrent_tasks: 2 } }, { file: 'other.conf' })
  chmodSync(other, 0o644)
  for (const file of [other, join(sandbox.configFolder, 'missing.conf')]) {
    const { code, stdout } = await sandbox.skynet(['stop', '-c', file])
    assert.deepEqual([code, stdout], [78, ''])
  }
  assert.equal((await sandbox.skynet(['status'])).code, 0)
})

test('what scale, reload and log-level say to programs is as their schemas say', async () => {
  await startLeader(sandbox)
  const cases = [['scale', '3'], ['reload'], ['log-level', 'warn', '--for', '1m'], ['log-level', 'loud']]
  const answers = []
  for (const [verb = '', ...args] of cases) {
    const { stdout } = await sandbox.skynet([verb, ...args, '--json'])
    const answer = JSON.parse(stdout) as Record<string, unknown>
    assertFitsSchema(verb, answer)
    answers.push(answer)
  }
  const [scaled, reloaded, logged, refused] = answers
  assert.deepEqual(scaled, { ok: true, slots: 3, running: 0 })
  assert.deepEqual(reloaded, { ok: true })
  assert.deepEqual(logged, { ok: true, level: 'warn', configured: 'info', for_ms: 60_000 })
  assert.deepEqual([refused?.['ok'], refused?.['code']], [false, 'USAGE'])
})

test('without a daemon each of them fails with status 69, and says how to start it', async () => {
  for (const args of [['stop'], ['drain'], ['reload'], ['log-level', 'debug'], ['pause', '--type', 'verify']]) {
    const { code, stdout, stderr } = await sandbox.skynet(args)
    assert.deepEqual([args, code, stdout], [args, 69, ''])
    assert.match(stderr, /The daemon is not running.*\n.*skynet queued/)
  }
  for (const verb of ['stop', 'drain']) {
    const { code, stdout } = await sandbox.skynet([verb, '--json'])
    assert.equal(code, 69)
    assertFitsSchema(verb, JSON.parse(stdout))
  }
})
