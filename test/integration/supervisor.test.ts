import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { programsIn, renderProgram, renderUnit, type ProgramValues } from '../../src/cli/setup/supervisor-program.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { Supervisor } from '../sandbox/supervisor.js'
import type { LogEntry } from '../sandbox/daemon-process.js'

let sandbox: Sandbox
let supervisor: Supervisor
let site: number
let logFile: string
let program: string
let values: ProgramValues

const shipped = (name: string) => readFileSync(new URL(`../../supervisor/${name}`, import.meta.url), 'utf8')

before(async () => {
  sandbox = await Sandbox.create()
  site = (await sandbox.hostmaster.hostmasterSite()).site
  sandbox.writeConfig({ queue: { max_load: 1000, poll_interval: '50ms' } })
  supervisor = new Supervisor(sandbox)
  logFile = join(supervisor.folder, 'skynet-queue.log')
  const { name, uid, gid } = sandbox.folder.account
  values = {
    user: { name, uid, gid, home: sandbox.home, shell: '/bin/sh' },
    node: sandbox.install.node,
    main: sandbox.install.main,
    path: sandbox.environment['PATH'] ?? '',
    logFile,
  }
  const text = renderProgram(shipped('skynet.supervisor.conf'), values)
  program = programsIn(text)[0]?.name ?? ''
  writeFileSync(join(supervisor.programs, 'skynet.conf'), text)
  await supervisor.start()
})
after(async () => {
  await supervisor.stop()
  await sandbox.close()
})

const log = () =>
  (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogEntry)
const countOf = (msg: string) => log().filter((entry) => entry.msg === msg).length
const leads = (times: number) =>
  sandbox.waitFor(() => countOf('leading') >= times, { what: `the ${times}th leader`, timeoutMs: 20_000 })
const running = () =>
  sandbox.waitFor(async () => (await supervisor.state(program)) === 'RUNNING', { what: 'RUNNING', timeoutMs: 20_000 })

/** A task in its midst: drush is at work on it until the name is released. */
async function taskUntil(released: string): Promise<number> {
  const task = { object: site, type: 'flush_cache', arguments: { sandbox_until: released } }
  const { nid } = await sandbox.hostmaster.queueTask(task)
  await sandbox.waitForJournal(({ event, nid: started }) => event === 'start' && started === nid, { timeoutMs: 20_000 })
  return nid
}

const isAdopted = (nid: number) =>
  sandbox.waitFor(() => log().some((entry) => entry.msg === 'run adopted' && entry['nid'] === nid), {
    what: `task ${nid} to be adopted`,
    timeoutMs: 20_000,
  })

async function endsOnce(nid: number): Promise<void> {
  await sandbox.waitForStatus(nid, 1, 20_000)
  const ends = (event: 'start' | 'end') => sandbox.journalFile.of(event, nid).length
  assert.deepEqual([ends('start'), ends('end')], [1, 1])
}

test('supervisord runs the shipped program, with its paths in place: RUNNING, leading, and logging to its file', async () => {
  await leads(1)
  await running()
  const { stdout, code } = await sandbox.skynet(['status', '--json'])
  const status = JSON.parse(stdout) as { role: string; pid: number }
  assert.deepEqual([code, status.role], [0, 'leader'])
  assert.equal(status.pid, await supervisor.pid(program))
  assert.equal(
    spawnSync('stat', ['-c', '%U', `/proc/${status.pid}`], { encoding: 'utf8' }).stdout.trim(),
    sandbox.folder.account.name,
  )
})

test('supervisorctl restart in mid-task costs no task', async () => {
  const nid = await taskUntil('restarted')
  const before = await supervisor.pid(program)
  const { stdout } = await supervisor.ctl('restart', program)
  assert.match(stdout, /stopped[\s\S]*started/)
  await isAdopted(nid)
  sandbox.release('restarted')
  await endsOnce(nid)
  assert.notEqual(await supervisor.pid(program), before)
})

test('a daemon that is killed in mid-task is brought back, and adopts', async () => {
  await running()
  const times = countOf('leading')
  const nid = await taskUntil('brought back')
  const before = await supervisor.pid(program)
  process.kill(before, 'SIGKILL')
  await leads(times + 1)
  await isAdopted(nid)
  sandbox.release('brought back')
  await endsOnce(nid)
  assert.notEqual(await supervisor.pid(program), before)
})

test('stopped it starts nothing, and started again it works on', async () => {
  await supervisor.ctl('stop', program)
  assert.equal(await supervisor.state(program), 'STOPPED')
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'flush_cache' })
  assert.equal((await sandbox.skynet(['status'])).code, 69)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 0)
  await supervisor.ctl('start', program)
  await endsOnce(nid)
})

test('the shipped systemd unit is one, also with the paths of another machine', () => {
  if (spawnSync('systemd-analyze', ['--version']).error) return
  // Its programs have to be there, and the one of the shipped file is not.
  const text = renderUnit(shipped('skynet-queue.service'), values)
  assert.match(text, /^KillMode=process$/m)
  assert.ok(text.includes(`User=${values.user.name}\n`) && text.includes(`"${values.main}" queued --wait`))
  const file = join(supervisor.folder, 'skynet-queue.service')
  writeFileSync(file, text)
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
  // The user that the tests become is none for services.
  const ours = stderr.split('\n').filter((line) => line.includes('.service:') && !line.includes('user nobody'))
  assert.deepEqual([status, ours], [0, []], stderr)
})
