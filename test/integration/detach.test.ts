import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import { PATIENCE_MS, configure, readStatus, waitForStatusOf } from '../sandbox/leader.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { waitFor } from '../sandbox/wait-for.js'

let sandbox: Sandbox
let sites: number[]
const processes = new ProcessTable()
const detached = new Set<number>()

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 2, { servers: 2 })
})
afterEach(async () => {
  await sandbox.database.start()
  for (const pid of detached) {
    if (processes.list().some((process) => process.pid === pid)) process.kill(pid, 'SIGKILL')
    await gone(pid)
  }
  detached.clear()
})
after(() => sandbox.close())

const state = (name: string) => join(sandbox.configFolder, 'state', name)
const pidFile = () => Number(readFileSync(state('skynet.pid'), 'utf8'))
const gone = (pid: number) =>
  waitFor(() => !processes.list().some((process) => process.pid === pid), { what: `the end of ${pid}` })

/** Runs `skynet queued --daemon` to the end of what the shell sees of it. */
async function daemonize(args: string[] = [], env = {}): Promise<CommandResult & { pid: number }> {
  const result = await sandbox.skynet(['queued', '--daemon', ...args], env)
  const pid = Number(/process (\d+)/.exec(result.stdout)?.[1])
  if (pid) detached.add(pid)
  return { ...result, pid }
}

async function runsATask(): Promise<void> {
  const { nid } = await sandbox.hostmaster.queueTask({ object: sites[0] ?? 0, type: 'verify' })
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
}

test('--daemon returns 0 when the daemon leads, in a session of its own, with its pid in a file and its log in the state directory', async () => {
  configure(sandbox)
  const { code, stdout, stderr, pid } = await daemonize()
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^skynet: leads, process \d+, log .*state\/skynet\.log\n$/)
  assert.equal((await readStatus(sandbox)).role, 'leader')
  assert.equal(pidFile(), pid)
  assert.equal(statSync(state('skynet.pid')).mode & 0o777, 0o600)
  assert.equal(statSync(state('skynet.log')).mode & 0o777, 0o600)
  assert.equal(processes.read(pid)?.session, pid)
  assert.doesNotMatch(processes.args(pid).join(' '), /hosting-task/)
  await runsATask()
  await waitFor(() => readFileSync(state('skynet.log'), 'utf8').includes('"task ended"'), {
    what: 'the end in the log',
  })
  process.kill(pid, 'SIGTERM')
  await gone(pid)
  assert.ok(!existsSync(state('skynet.pid')), 'its pid may be another program’s from now on')
})

test('--daemon returns 0 for a standby too and says so; it takes over, and its pid then stands in the file', async () => {
  configure(sandbox)
  const leader = await daemonize()
  const standby = await daemonize()
  assert.equal(standby.code, 0)
  assert.match(standby.stdout, /^skynet: stands by, process \d+/)
  assert.equal(pidFile(), leader.pid)
  process.kill(leader.pid, 'SIGKILL')
  const status = await waitForStatusOf(
    sandbox,
    'the new leader',
    ({ role, pid }) => role === 'leader' && pid === standby.pid,
  )
  assert.deepEqual(status.standbys, [])
  await waitFor(() => pidFile() === standby.pid, { what: 'its pid in the file' })
  await runsATask()
})

test('a detached daemon survives an outage of the database, which makes it lead anew', async () => {
  configure(sandbox)
  const { pid } = await daemonize()
  await sandbox.database.kill()
  await waitForStatusOf(sandbox, 'the outage', ({ database }) => database.state === 'lost')
  await sandbox.database.start()
  await waitForStatusOf(sandbox, 'the end of the outage', ({ role }) => role === 'leader')
  await runsATask()
  assert.equal((await readStatus(sandbox)).pid, pid)
})

test('--daemon returns the status of a daemon that could not start, with its words', async () => {
  configure(sandbox)
  await sandbox.database.stop()
  const unreachable = await daemonize()
  assert.equal(unreachable.code, 69)
  assert.match(unreachable.stderr, /cannot be reached/)
  assert.equal(unreachable.stdout, '')
  await sandbox.database.start()

  sandbox.writeConfig({ database: { ...sandbox.databaseSection(), passwd: 'no' } })
  const denied = await daemonize()
  assert.equal(denied.code, 78)
  assert.match(denied.stderr, /does not serve user hostmaster/)

  sandbox.writeConfig({ queue: { concurrent_tasks: 'x' } })
  const scratch = sandbox.folder.makeFolder('scratch')
  const bad = await daemonize([], { TMPDIR: scratch })
  assert.equal(bad.code, 78)
  assert.match(bad.stderr, /concurrent_tasks/)
  assert.deepEqual(readdirSync(scratch), [])

  configure(sandbox)
  await daemonize()
  const second = await daemonize(['--no-standby'])
  assert.equal(second.code, 75)
  assert.match(second.stderr, /Another daemon leads this hostmaster/)
})

test('--daemon with [log] file writes there, and leaves no file of its own', async () => {
  const file = join(sandbox.home, 'detached.log')
  configure(sandbox, { log: { file }, state: { dir: join(sandbox.home, 'other-state') } })
  const { code, stdout, pid } = await daemonize(['--set', 'queue.concurrent_tasks=2'])
  assert.equal(code, 0)
  assert.ok(stdout.includes(`log ${file}`))
  await waitFor(() => existsSync(file) && readFileSync(file, 'utf8').includes('"leading"'), { what: 'the log' })
  assert.ok(!existsSync(join(sandbox.home, 'other-state/skynet.log')))
  assert.equal((await readStatus(sandbox)).slots, 2, 'the other words of the command line reach the daemon')
  process.kill(pid, 'SIGTERM')
  await gone(pid)
})
