import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { asAccount } from '../sandbox/account.js'
import { AegirSite } from '../sandbox/aegir-site.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'
import { Supervisor, runAsOurselves } from '../sandbox/supervisor.js'

let sandbox: Sandbox
let site: AegirSite
let supervisor: Supervisor
let account: string
let recordFolder: string

/** A machine on which Aegir's PHP daemon runs under Supervisor, and somebody has started the Python one by hand. */
before(async () => {
  sandbox = await Sandbox.create()
  site = await AegirSite.create(sandbox)
  account = sandbox.folder.account.name
  recordFolder = sandbox.folder.makeFolder('record')
  const { hostmaster } = sandbox
  await hostmaster.execute("INSERT INTO system VALUES ('hosting_queued', 1)")
  await hostmaster.setVariable('hosting_feature_queued', 'i:1;')
  await hostmaster.setVariable('hosting_queue_tasks_enabled', 'b:0;')
  sandbox.folder.writeFile('home/crontab', "* * * * * drush '@hostmaster' hosting-dispatch\n", 0o600)
  // What else this machine does must not keep the queue waiting.
  sandbox.writeConfig({ queue: { max_load: 1000 } }, { file: 'local.skynet.conf' })
  sandbox.folder.writeFile('home/hostmaster/index.php', '<?php\n')
  sandbox.configureDrush({ commands: { 'hosting-queued': { ms: 600_000 } } })
  const { uid, gid } = sandbox.folder.account
  program('getent', `[ "$2" = ${account} ] && echo "${account}:x:${uid}:${gid}::${sandbox.home}:/bin/sh"`)
  program('systemctl', 'exit 1')

  supervisor = new Supervisor(sandbox)
  const environment = Object.entries(sandbox.environment).map(([name, value]) => `${name}="${value}"`)
  const old = `[program:hosting-queued]
command=${join(sandbox.folder.path, 'bin/drush')} @hostmaster hosting-queued
user=${account}
environment=${environment.join(',')}
startsecs=0
`
  writeFileSync(join(supervisor.programs, 'hosting-queued.conf'), old)
  await supervisor.start()
  await sandbox.waitFor(() => oldRunners('hosting-queued').length === 1, { what: 'the PHP daemon', timeoutMs: 20_000 })
  const python = sandbox.folder.writeFile('home/skynet.py', '<?php while (true) sleep(1);\n')
  spawn('php', [python, 'queued'], {
    cwd: sandbox.home,
    env: sandbox.environment,
    stdio: 'ignore',
    detached: true,
    ...asAccount(sandbox.folder.account),
  }).unref()
  await sandbox.waitFor(() => oldRunners('skynet.py').length === 1, { what: 'the Python daemon' })
})
after(async () => {
  await supervisor.stop()
  await sandbox.close()
})

test('setup lists what it would do, does it, finds it done, and --remove puts everything back', async (t) => {
  const files = filesNow()
  const dump = await dumpNow()
  const last = await lastNid()

  // What --dry-run lists, and that this is all it does.
  const dry = await setup('--dry-run')
  assert.equal(dry.code, 0, dry.stderr)
  assert.deepEqual(filesNow(), files)
  assert.deepEqual(await dumpNow(), dump)
  assert.deepEqual([oldRunners('hosting-queued').length, oldRunners('skynet.py').length], [1, 1])
  t.diagnostic(dry.stdout)

  const done = await setup()
  assert.equal(done.code, 0, done.stdout + done.stderr)
  assert.deepEqual(stepsIn(done.stdout), stepsIn(dry.stdout))
  assert.deepEqual([oldRunners('hosting-queued').length, oldRunners('skynet.py').length], [0, 0])
  const status = JSON.parse((await sandbox.skynet(['status', '--json'])).stdout) as { role: string }
  assert.equal(status.role, 'leader')
  assert.equal(await supervisor.state(`skynet-queue-${account}`).then((state) => /RUNNING|STARTING/.test(state)), true)
  const module = join(site.modules, 'hosting_skynet')
  assert.equal(statSync(module).uid, sandbox.folder.account.uid)
  assert.equal(statSync(join(module, 'hosting_skynet.module')).mode & 0o777, 0o644)
  const conf = statSync(join(sandbox.configFolder, 'skynet.conf'))
  assert.deepEqual([conf.mode & 0o777, conf.uid], [0o600, sandbox.folder.account.uid])
  assert.equal(await sandbox.hostmaster.variable('hosting_skynet_enabled'), 'i:1;')

  // The daemon runs what the enabling has queued: the queue is Skynet's now.
  await sandbox.waitFor(async () => (await openTasks()) === 0, { what: 'the queued verify', timeoutMs: 20_000 })
  const installed = filesNow()
  const again = await setup()
  assert.equal(again.code, 0, again.stdout + again.stderr)
  const steps = again.stdout.split('\n').filter((line) => /^\d+\. /.test(line))
  assert.ok(steps.length > 5 && steps.every((line) => line.endsWith(': done already')), again.stdout)
  assert.deepEqual(filesNow(), installed)

  const listed = await setup('--remove', '--dry-run')
  // The way back drains: a task that runs is seen through.
  const { nid } = await sandbox.hostmaster.queueTask({
    object: site.nid,
    type: 'backup',
    arguments: { sandbox_ms: '8000' },
  })
  await sandbox.waitForJournal(({ event, nid: started }) => event === 'start' && started === nid)
  const removed = await setup('--remove')
  assert.equal(removed.code, 0, removed.stdout + removed.stderr)
  assert.deepEqual(stepsIn(removed.stdout), stepsIn(listed.stdout))
  assert.match(removed.stdout, /waiting for 1 running task/)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
  t.diagnostic(removed.stdout)

  const runners = () => oldRunners('hosting-queued').length === 1 && oldRunners('skynet.py').length === 1
  await sandbox.waitFor(runners, { what: 'the old runners', timeoutMs: 20_000 })
  assert.deepEqual(filesNow(), files)
  // Tasks are history: enabling and disabling queue a verify each, as Aegir does for every feature.
  const tasks = await sandbox.hostmaster.query<{ nid: number }>('SELECT nid FROM node WHERE nid > ?', [last])
  for (const task of tasks) await sandbox.hostmaster.deleteTask(task.nid)
  assert.deepEqual(await dumpNow(), dump)
  t.diagnostic(
    `${Object.keys(files).length} files and folders, ${Object.keys(dump).length} tables, equal before and after`,
  )

  const nothing = await setup('--remove')
  assert.equal(nothing.code, 1)
  assert.match(nothing.stderr, /nothing to undo/)
})

test('setup names what it lacks: an unknown user, another user than root or the owner', async () => {
  const unknown = await setup('--user', 'somebody')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /There is no user somebody/)
  assert.match(unknown.stderr, /--user NAME/)
})

test('with --systemd it prints the unit and the commands, and touches neither Supervisor nor systemd', async () => {
  const dry = await setup('--systemd', '--dry-run')
  assert.equal(dry.code, 0, dry.stderr)
  assert.match(dry.stdout, /print a systemd unit/)
  assert.ok(!/supervisorctl/.test(dry.stdout))
})

/** As root where the tests are root, else as the owner of Aegir. */
function setup(...args: string[]): Promise<CommandResult> {
  const { node, main } = sandbox.install
  const places = ['--supervisor-dir', supervisor.programs, '--record', join(recordFolder, 'setup.json')]
  const user = args.includes('--user') ? [] : ['--user', account]
  const words = ['setup', ...user, ...places, '--log', join(supervisor.folder, 'skynet.log'), ...args]
  return runAsOurselves(node, [main, ...words], sandbox.environment)
}

function stepsIn(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /^\d+\. /.test(line))
    .map((line) => line.replace(/: done already$/, ''))
}

/** A program of the machine, in the stand-in's words. */
function program(name: string, shell: string): void {
  const file = sandbox.folder.writeFile(join('bin', name), `#!/bin/sh\n${shell}\n`)
  chmodSync(file, 0o755)
}

/** Processes of this sandbox with a word in their arguments, by the name of a program. */
function oldRunners(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const isHere = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${sandbox.home}\0`)
      return isHere && /php/.test(args[0] ?? '') && args.some((arg) => arg === word || arg.endsWith(`/${word}`))
    } catch {
      return false
    }
  })
}

/** Every file of the user, of Supervisor's programs and of the record: what, of whom, with which mode. */
function filesNow(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const folder of [sandbox.home, supervisor.programs, recordFolder, join(sandbox.folder.path, 'bin')]) {
    for (const entry of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
      const path = join(folder, entry)
      // The daemon's records of its runs and its sockets live while it does.
      if (/\/skynet\/state\/|\/skynet-wake\/wake/.test(path) || !existsSync(path)) continue
      const { mode, uid, gid } = lstatSync(path)
      const content = lstatSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '-'
      found[path] = `${(mode & 0o7777).toString(8)} ${uid}:${gid} ${content}`
    }
  }
  return found
}

/** Every row of every table. Of one variable the value is a reading of the clock, by whoever runs the queue. */
async function dumpNow(): Promise<Record<string, unknown>> {
  const { hostmaster } = sandbox
  const dump: Record<string, unknown> = {}
  const tables = await hostmaster.query<Record<string, string>>('SHOW TABLES')
  for (const table of tables.map((row) => Object.values(row)[0] ?? '')) {
    const [definition] = await hostmaster.query<Record<string, string>>('SHOW CREATE TABLE ??', [table])
    const rows = await hostmaster.query<{ name?: string }>('SELECT * FROM ?? ORDER BY 1, 2', [table])
    dump[table] = [
      (definition?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''),
      rows.filter(({ name }) => name !== 'hosting_queue_tasks_last_run').map((row) => JSON.stringify(row)),
    ]
  }
  return dump
}

async function lastNid(): Promise<number> {
  const [row] = await sandbox.hostmaster.query<{ nid: number }>('SELECT MAX(nid) AS nid FROM node')
  return row?.nid ?? 0
}

async function openTasks(): Promise<number> {
  const [row] = await sandbox.hostmaster.query<{ n: number }>(
    'SELECT COUNT(*) AS n FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE t.task_status IN (0, -1)',
  )
  return row?.n ?? 0
}
