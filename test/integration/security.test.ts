import assert from 'node:assert/strict'
import { lstatSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { status } from '../../src/cli/status.js'
import { SkynetError } from '../../src/config/skynet-error.js'
import { askDaemon } from '../../src/daemon/control-client.js'
import { runName } from '../../src/runner/run-record.js'
import { configure, PATIENCE_MS, readStatus, waitForStatusOf } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let site: number
let state: string
const control = () => join(state, 'control.sock')

before(async () => {
  sandbox = await Sandbox.create()
  ;[site = 0] = await makeSites(sandbox, 1)
  state = new RunRecords(sandbox).stateDirectory
  configure(sandbox)
})
after(() => sandbox.close())
afterEach(async () => {
  const pid = detachedDaemon()
  if (pid !== undefined) {
    process.kill(pid, 'SIGKILL')
    await sandbox.waitFor(() => !isAlive(pid), { what: 'the daemon to be gone', timeoutMs: PATIENCE_MS })
  }
  for (const daemon of sandbox.daemons) {
    daemon.kill()
    await daemon.exited
  }
  rmSync(state, { recursive: true, force: true })
})

function detachedDaemon(): number | undefined {
  try {
    const pid = Number(readFileSync(join(state, 'skynet.pid'), 'utf8'))
    return isAlive(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('queued')
  } catch {
    return false
  }
}

/** Runs what starts a process with a umask that takes nothing away. */
function withoutUmask<Result>(start: () => Result): Result {
  const before = process.umask(0)
  try {
    return start()
  } finally {
    process.umask(before)
  }
}

async function detach(): Promise<void> {
  const { code, stderr } = await withoutUmask(() => sandbox.skynet(['queued', '--daemon']))
  assert.equal(code, 0, stderr)
  await sandbox.waitFor(async () => (await sandbox.skynet(['status', '--json'])).stdout !== '', {
    what: 'the daemon to answer',
    timeoutMs: PATIENCE_MS,
  })
}

/** Every path below, itself included. */
function walk(path: string): string[] {
  const inside = lstatSync(path).isDirectory() ? readdirSync(path).flatMap((name) => walk(join(path, name))) : []
  return [path, ...inside]
}

function describe(path: string): string {
  const stats = lstatSync(path)
  const kind = stats.isDirectory() ? 'folder' : stats.isSocket() ? 'socket' : stats.isFile() ? 'file' : 'other'
  return `${kind} ${(stats.mode & 0o7777).toString(8)} ${stats.uid}`
}

async function runOne(args: Record<string, string> = {}): Promise<number> {
  const { nid } = await sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: args })
  return nid
}

test('every file and socket that Skynet makes is for its user alone, also under umask 000', async () => {
  const { uid } = sandbox.folder.account
  await detach()
  const standby = withoutUmask(() => sandbox.startDaemon())
  await waitForStatusOf(sandbox, 'a standby', ({ standbys }) => standbys.length === 1)
  await sandbox.waitForStatus(await runOne(), 1, PATIENCE_MS)
  await sandbox.skynet(['pause', '--reason', 'a test'])
  await sandbox.skynet(['resume'])
  await sandbox.skynet(['pause'])
  await sandbox.skynet(['resume'])
  const running = await runOne({ sandbox_until: 'umask', sandbox_print: 'a secret' })
  await sandbox.waitForJournal(({ event, nid }) => event === 'start' && nid === running)

  const found = new Map(walk(state).map((path) => [relative(state, path), describe(path)]))
  for (const [path, is] of found) {
    const kind = is.split(' ')[0] ?? ''
    assert.equal(is, `${kind} ${kind === 'folder' ? '700' : '600'} ${uid}`, path)
  }
  const names = [...found.keys()].map((path) => path.replace(/\d{8}T\d{9}Z-\d+-\d+/, 'RUN').replace(/\d+\.json/, 'PID'))
  for (const name of [
    'control.sock',
    'known-hostmasters',
    'skynet.log',
    'skynet.pid',
    'standbys/PID',
    'history/RUN/exit',
    ...['record.json', 'output', 'started'].flatMap((file) => [`runs/RUN/${file}`, `history/RUN/${file}`]),
  ]) {
    assert.ok(names.includes(name), `${name} is missing in ${names.join(', ')}`)
  }
  // What the web server has to reach, and only that.
  const wake = join(sandbox.home, 'config/skynet-wake')
  assert.deepEqual(walk(wake).map(describe), [`folder 710 ${uid}`, `socket 660 ${uid}`])
  sandbox.release('umask')
  await sandbox.waitForStatus(running, 1, PATIENCE_MS)
  assert.equal(standby.exit, undefined)
})

test('a pause that is on disk is for its user alone, also under umask 000', async () => {
  await detach()
  await sandbox.skynet(['pause', '--reason', 'a test'])
  assert.equal(describe(join(state, 'pause.json')), `file 600 ${sandbox.folder.account.uid}`)
})

test('symbolic links planted in the state directory are not followed', async () => {
  const victim = sandbox.folder.writeFile('home/victim', 'precious\n', 0o640)
  const folder = sandbox.folder.makeFolder('home/victims')
  sandbox.folder.makeFolder('home/config/skynet/state', 0o700)
  const names = ['pause.json.new', 'known-hostmasters.new', 'skynet.pid', 'skynet.pid.new', 'control.sock']
  for (const name of names) symlinkSync(victim, join(state, name))
  symlinkSync(folder, join(state, 'standbys'))
  await detach()
  withoutUmask(() => sandbox.startDaemon())
  await sandbox.waitFor(() => sandbox.daemons.at(-1)?.logs.some(({ msg }) => msg.startsWith('standing by')), {
    what: 'a standby',
    timeoutMs: PATIENCE_MS,
  })
  const paused = await sandbox.skynet(['pause', '--reason', 'a test'])
  assert.equal(paused.code, 0, paused.stderr)
  await sandbox.skynet(['resume'])
  await sandbox.waitForStatus(await runOne(), 1, PATIENCE_MS)
  assert.equal(readFileSync(victim, 'utf8'), 'precious\n')
  assert.equal(describe(victim), `file 640 ${sandbox.folder.account.uid}`)
  assert.deepEqual(readdirSync(folder), [])
  assert.ok(lstatSync(join(state, 'skynet.pid')).isFile())
  assert.ok(lstatSync(control()).isSocket())
})

test('a run is not followed into a planted link, and its target is neither read nor removed', async () => {
  const records = new RunRecords(sandbox)
  const elsewhere = sandbox.folder.makeFolder('home/elsewhere', 0o700)
  sandbox.folder.writeFile('home/elsewhere/record.json', 'precious\n')
  for (const name of ['state', 'state/runs', 'state/history', 'state/runs/linked']) {
    sandbox.folder.makeFolder(`home/config/skynet/${name}`, 0o700)
  }
  const old = runName({ nid: 1, vid: 1 }, 0)
  symlinkSync(elsewhere, records.folder(old))
  symlinkSync(elsewhere, records.folder(old, 'history'))
  symlinkSync(join(elsewhere, 'record.json'), join(records.folder('linked'), 'record.json'))
  await detach()
  const { untouchable_records } = await readStatus(sandbox)
  assert.deepEqual(untouchable_records, [{ run: 'linked', reason: 'record.json cannot be read (ELOOP)' }])
  await sandbox.waitForStatus(await runOne(), 1, PATIENCE_MS)
  assert.equal(readFileSync(join(elsewhere, 'record.json'), 'utf8'), 'precious\n')
  assert.equal(readlinkSync(records.folder(old)), elsewhere)
})

test('a log, or a folder of runs, that is a planted link keeps the daemon from starting, with the reason', async () => {
  const victim = sandbox.folder.writeFile('home/victim', 'precious\n')
  const folder = sandbox.folder.makeFolder('home/victims')
  sandbox.folder.makeFolder('home/config/skynet/state', 0o700)
  symlinkSync(victim, join(state, 'skynet.log'))
  const log = await sandbox.skynet(['queued', '--daemon'])
  assert.match(log.stderr, /^skynet: The log file .*skynet\.log cannot be opened/)
  assert.equal(log.code, 78)
  unlinkSync(join(state, 'skynet.log'))
  symlinkSync(folder, join(state, 'runs'))
  const runs = await sandbox.skynet(['queued', '--once'])
  assert.match(runs.stderr, /^skynet: The state directory .* cannot be used: .*runs is a link/)
  assert.equal(runs.code, 78)
  assert.equal(readFileSync(victim, 'utf8'), 'precious\n')
  assert.deepEqual(readdirSync(folder), [])
})

test('a request of another user is refused, and the command says so', async () => {
  await detach()
  assert.equal(describe(state).split(' ')[1], '700')
  assert.equal(describe(control()).split(' ')[1], '600')
  // Only root can become somebody else; the modes above are what keeps others out.
  if (!sandbox.folder.account.drop) return
  const errors = await asUser(12_345, async () => [
    await failure(status({}, { version: '0', environment: sandbox.environment })),
    await failure(askDaemon(control(), { verb: 'pause', by: 'somebody', reason: '' })),
    await failure(
      new Promise((_resolve, reject) => {
        connect(control()).on('error', reject)
      }),
    ),
  ])
  assert.match(String(errors[0]), /cannot be read by user id 12345: permission denied; is this the right user\?/)
  assert.ok(errors[1] instanceof SkynetError)
  assert.equal(errors[1].exitStatus, 77)
  assert.match(errors[1].message, /control socket .* belongs to another user/)
  assert.match(errors[1].remedy ?? '', /sudo -u aegir/)
  assert.equal((errors[2] as NodeJS.ErrnoException).code, 'EACCES')
  assert.deepEqual((await readStatus(sandbox)).paused, [])
})

/** Does something in this very process as another user; only the operating system is asked for rights. */
async function asUser<Result>(uid: number, act: () => Promise<Result>): Promise<Result> {
  const groups = process.getgroups?.() ?? []
  process.setgroups?.([uid])
  process.setegid?.(uid)
  process.seteuid?.(uid)
  try {
    return await act()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
    process.setgroups?.(groups)
  }
}

function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
}
