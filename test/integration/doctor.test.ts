import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { CheckResult } from '../../src/cli/doctor/check.js'
import { asAccount } from '../sandbox/account.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { HealthyMachine, type MadeUp } from '../sandbox/healthy-machine.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox } from '../sandbox/sandbox.js'

let sandbox: Sandbox
let machine: HealthyMachine
let daemon: DaemonProcess

before(async () => {
  sandbox = await Sandbox.create()
  machine = await HealthyMachine.make(sandbox)
  daemon = await startLeader(sandbox)
})
after(() => sandbox.close())

interface Report {
  code: number | null
  verdict: string
  checks: CheckResult[]
}

async function examine(madeUp: Partial<MadeUp> = {}, options: Record<string, unknown> = {}): Promise<Report> {
  const { stdout, code } = await machine.doctor(madeUp, { json: true, ...options })
  const report = JSON.parse(stdout) as Omit<Report, 'code'>
  assertFitsSchema('doctor', report)
  return { code, ...report }
}

const bad = ({ checks }: Report) => checks.filter(({ status }) => status === 'warn' || status === 'fail')

/** Exactly this line is not green; it says what and names the cure. */
function assertOnly(report: Report, name: string, status: 'warn' | 'fail', what: RegExp, todo: RegExp): void {
  const faults = bad(report)
  assert.deepEqual(
    faults.map((result) => `${result.name}: ${result.status}`),
    [`${name}: ${status}`],
    JSON.stringify(faults, null, 2),
  )
  const [found] = faults
  assert.match(found?.what ?? '', what)
  assert.match(found && 'todo' in found ? found.todo : '', todo)
  assert.equal(report.verdict, status)
  assert.equal(report.code, status === 'warn' ? 1 : 2)
}

interface Fault {
  name: string
  line: string
  status: 'warn' | 'fail'
  what: RegExp
  todo: RegExp
  /** Plants it; what is given back takes it away again. */
  plant: () => Promise<() => unknown> | (() => unknown)
  madeUp?: Partial<MadeUp>
  options?: () => Record<string, unknown>
}

const configFile = () => join(sandbox.configFolder, 'skynet.conf')
const local = (sections: Parameters<Sandbox['writeConfig']>[0]) => {
  const file = sandbox.writeConfig(sections, { file: 'local.skynet.conf' })
  return () => rmSync(file)
}
const nothing = () => () => undefined
const query = (sql: string, values: unknown[] = []) => sandbox.hostmaster.execute(sql, values)

const FAULTS: Fault[] = [
  {
    name: 'a configuration that others can read',
    line: 'permissions',
    status: 'fail',
    what: /has mode 0644, which lets other users in/,
    todo: /^chmod 600 .*skynet\.conf$/,
    plant: () => {
      chmodSync(configFile(), 0o644)
      return () => chmodSync(configFile(), 0o600)
    },
  },
  {
    name: 'a configuration of another owner',
    line: 'permissions',
    status: 'fail',
    what: /belongs to user id 0, but Skynet runs as user id/,
    todo: /chown \d+ /,
    plant: () => {
      if (!sandbox.folder.account.drop) return () => undefined
      chownSync(configFile(), 0, 0)
      return () => sandbox.folder.own(configFile())
    },
    // Only root can give a file away; any file of root's will do as well.
    options: () => (sandbox.folder.account.drop ? {} : { config_file: '/etc/passwd' }),
  },
  {
    name: 'a configuration that its own user cannot read',
    line: 'permissions',
    status: 'fail',
    what: /cannot be read: its mode is 0?000/,
    todo: /^chmod 600 .*skynet\.conf$/,
    plant: () => {
      chmodSync(configFile(), 0)
      return () => chmodSync(configFile(), 0o600)
    },
  },
  {
    name: 'an unknown key',
    line: 'configuration',
    status: 'fail',
    what: /concurent_tasks.*concurrent_tasks/,
    todo: /skynet config check/,
    plant: () => local({ queue: { concurent_tasks: 2 } }),
  },
  {
    name: 'a state directory that is open to others',
    line: 'state directory',
    status: 'fail',
    what: /is open to other users/,
    todo: /^chmod 700 .*\/state$/,
    plant: () => {
      const { stateDirectory } = new RunRecords(sandbox)
      chmodSync(stateDirectory, 0o755)
      return () => chmodSync(stateDirectory, 0o700)
    },
  },
  {
    name: 'a state directory on a network file system',
    line: 'state disk',
    status: 'fail',
    what: /on a network file system \(NFS\)/,
    todo: /\[state\] dir/,
    plant: nothing,
    madeUp: { type: 0x6969 },
  },
  {
    name: 'a disk that is nearly full',
    line: 'disk space',
    status: 'fail',
    what: /^50 MB free .* below 100M/,
    todo: /Make room/,
    plant: nothing,
    madeUp: { free: 50e6 },
  },
  {
    name: 'a disk that will soon be full',
    line: 'disk space',
    status: 'warn',
    what: /^150 MB free/,
    todo: /Make room/,
    plant: nothing,
    madeUp: { free: 150e6 },
  },
  {
    name: 'a load above the limit',
    line: 'load',
    status: 'fail',
    what: /^2000\.00; nothing is started above 1000/,
    todo: /top/,
    plant: nothing,
    madeUp: { load: 2000 },
  },
  {
    name: 'a database that is down',
    line: 'database',
    status: 'fail',
    what: /nothing listens at the address/,
    todo: /Start the database server/,
    plant: async () => {
      await sandbox.database.stop()
      return () => sandbox.database.start()
    },
  },
  {
    name: 'no right to write',
    line: 'rights',
    status: 'fail',
    what: /cannot write: INSERT on semaphore, .*UPDATE on hosting_task,/,
    todo: /GRANT ALL ON `hostmaster`/,
    plant: async () => {
      const { db, user } = sandbox.hostmaster.credentials
      const hosts = ['localhost', '127.0.0.1']
      for (const host of hosts) {
        await query('REVOKE ALL ON ??.* FROM ?@?', [db, user, host])
        await query('GRANT SELECT ON ??.* TO ?@?', [db, user, host])
      }
      return async () => {
        for (const host of hosts) await query('GRANT ALL ON ??.* TO ?@?', [db, user, host])
      }
    },
  },
  {
    name: 'a server that is read-only',
    line: 'rights',
    status: 'fail',
    what: /the server is read-only/,
    todo: /read-only/,
    plant: async () => {
      await query('SET GLOBAL read_only = 1')
      return () => query('SET GLOBAL read_only = 0')
    },
  },
  {
    name: 'a clock that is ten minutes off',
    line: 'clocks',
    status: 'fail',
    what: /are (599|60\d)\.\d s apart/,
    todo: /NTP/,
    plant: async () => {
      await query("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 600'")
      return () => query("SET GLOBAL init_connect = ''")
    },
  },
  {
    name: 'a drush that is missing',
    line: 'drush',
    status: 'fail',
    what: /^drush is not in PATH/,
    todo: /Install drush, or set \[drush\] command/,
    plant: () => {
      rmSync(join(sandbox.folder.path, 'bin/drush'))
      return () => sandbox.linkDrush()
    },
  },
  {
    name: 'an alias that is broken',
    line: 'alias',
    status: 'fail',
    what: /Could not find the alias @hostmaster/,
    todo: /drush @hostmaster status/,
    plant: () => {
      sandbox.configureDrush({ refuse_all: 'alias' })
      return () => sandbox.configureDrush({ refuse_all: undefined })
    },
  },
  {
    name: 'a module that is absent',
    line: 'module',
    status: 'warn',
    what: /^not installed/,
    todo: /skynet setup/,
    plant: () => changeModule("name = 'nothing'"),
  },
  {
    name: 'a module that is disabled',
    line: 'module',
    status: 'fail',
    what: /^disabled: the daemon starts nothing/,
    todo: /pm-enable hosting_skynet/,
    plant: async () => {
      const undo = await changeModule('status = 0')
      await sandbox.hostmaster.setVariable('hosting_skynet_enabled', 'i:0;')
      return async () => {
        await undo()
        await sandbox.hostmaster.setVariable('hosting_skynet_enabled', 'i:1;')
      }
    },
  },
  {
    name: 'a module of another version',
    line: 'module version',
    status: 'warn',
    what: /are not those of Skynet/,
    todo: /skynet setup/,
    plant: () => {
      const file = join(machine.module, 'hosting_skynet.old.inc')
      writeFileSync(file, '<?php\n')
      return () => rmSync(file)
    },
  },
  {
    name: 'a module whose tables are of another version',
    line: 'module version',
    status: 'fail',
    what: /of version 7000, not 7100/,
    todo: /updatedb/,
    plant: () => changeModule('schema_version = 7000'),
  },
  {
    name: 'a hosting-queued process',
    line: 'old runner',
    status: 'fail',
    what: /^hosting-queued runs too, as process \d+$/,
    todo: /kill \d+$/,
    plant: () => {
      const old = spawn('sh', ['-c', 'read _', 'drush.php', '@hostmaster', 'hosting-queued'], {
        argv0: 'php',
        stdio: ['pipe', 'ignore', 'ignore'],
        env: sandbox.environment,
        ...asAccount(sandbox.folder.account),
      })
      return () => old.stdin.end()
    },
  },
  {
    name: 'a module of another runner',
    line: 'runner modules',
    status: 'warn',
    what: /hosting_queued/,
    todo: /pm-disable hosting_queued/,
    plant: async () => {
      await query("INSERT INTO `system` VALUES ('q.module', 'hosting_queued', 'module', 1, 0)")
      return () => query("DELETE FROM `system` WHERE name = 'hosting_queued'")
    },
  },
  {
    name: "cron's task queue without the module's guard",
    line: 'cron queue',
    status: 'warn',
    what: /cron's task queue is enabled/,
    todo: /variable-set hosting_queue_tasks_enabled 0/,
    plant: async () => {
      await sandbox.hostmaster.deleteVariable('hosting_queue_tasks_enabled')
      await sandbox.hostmaster.setVariable('hosting_skynet_dispatcher_guard', 's:1:"0";')
      return async () => {
        await sandbox.hostmaster.setVariable('hosting_queue_tasks_enabled', 'b:0;')
        await sandbox.hostmaster.deleteVariable('hosting_skynet_dispatcher_guard')
      }
    },
  },
  {
    name: 'a foreign lock row',
    line: 'queue lock',
    status: 'warn',
    what: /^held by php1234567890 for another 60 min/,
    todo: /hosting-release-lock/,
    plant: async () => {
      await query(
        "UPDATE semaphore SET value = 'php1234567890', expire = UNIX_TIMESTAMP() + 3599 WHERE name = 'hosting_queue_tasks_running'",
      )
      return () => query("DELETE FROM semaphore WHERE name = 'hosting_queue_tasks_running'")
    },
  },
  {
    name: 'a crontab without the dispatcher',
    line: 'crontab',
    status: 'warn',
    what: /nobody runs hosting-dispatch/,
    todo: /\* \* \* \* \* drush @hostmaster hosting-dispatch/,
    plant: () => {
      machine.answer('crontab', '# drush @hostmaster hosting-dispatch\n')
      return () => machine.answer('crontab', '* * * * * drush @hostmaster hosting-dispatch\n')
    },
  },
  {
    name: 'a dispatcher in both crontab and [schedule]',
    line: 'crontab',
    status: 'warn',
    what: /it runs twice/,
    todo: /crontab -e/,
    plant: () => local({ schedule: { 'hosting-dispatch': '* * * * *' } }),
  },
  {
    name: 'a pause',
    line: 'pause',
    status: 'warn',
    what: /paused by \S+: for a test/,
    todo: /skynet resume/,
    plant: async () => {
      await sandbox.skynet(['pause', '--reason', 'for a test'])
      return () => sandbox.skynet(['resume'])
    },
  },
  {
    name: 'a stuck task',
    line: 'stuck tasks',
    status: 'warn',
    what: /^processing, but without any process: \d+ \(verify s0-/,
    todo: /skynet fail \d+ --reason/,
    plant: async () => {
      const { nid } = await sandbox.hostmaster.stuckTask({ object: machine.site.nid, type: 'verify' })
      return () => sandbox.hostmaster.deleteTask(nid)
    },
  },
  {
    name: 'a parked task',
    line: 'parked tasks',
    status: 'warn',
    what: /^drush never got to: \d+ \(1 attempt\); drush exited with status 1/,
    todo: /drush @hostmaster hosting-task \d+/,
    plant: async () => {
      const { hostmaster } = sandbox
      const { nid } = await hostmaster.transaction(async (connection) => {
        const task = await hostmaster.queueTaskWithin(connection, { object: machine.site.nid, type: 'verify' })
        sandbox.configureDrush({ refuse_nids: [task.nid] })
        return task
      })
      await waitForStatusOf(sandbox, 'the task to be parked', ({ parked }) => parked.some((task) => task.nid === nid))
      return async () => {
        sandbox.configureDrush({ refuse_nids: undefined })
        await hostmaster.deleteTask(nid)
        await waitForStatusOf(sandbox, 'no task to be parked', ({ parked }) => parked.length === 0)
      }
    },
  },
  {
    name: 'a leftover database.sql',
    line: 'leftover dumps',
    status: 'warn',
    what: /left by a killed backup: .*\/database\.sql$/,
    todo: /rm .*\/database\.sql$/,
    plant: () => {
      const file = join(machine.site.folder, 'database.sql')
      writeFileSync(file, 'CREATE TABLE …')
      return () => rmSync(file)
    },
  },
  {
    name: 'no Supervisor program',
    line: 'supervision',
    status: 'warn',
    what: /nobody starts the daemon again/,
    todo: /skynet setup/,
    plant: () => {
      rmSync(join(sandbox.folder.path, 'supervisor/skynet.conf'))
      machine.answer('systemctl', null)
      return () => {
        machine.writeProgram((text) => text)
        machine.answer('systemctl', 'LoadState=loaded\nKillMode=process\n')
      }
    },
  },
  {
    name: 'a Supervisor program with killasgroup=true',
    line: 'stop settings',
    status: 'fail',
    what: /skynet-queue has killasgroup=true: a restart kills running tasks/,
    todo: /Set killasgroup to false in .*skynet\.conf/,
    plant: () => program('killasgroup=false', 'killasgroup=true ; as everywhere'),
  },
  {
    name: 'a unit that ends the whole control group',
    line: 'kill mode',
    status: 'fail',
    what: /supervisor\.service has KillMode=control-group/,
    todo: /systemctl edit supervisor\.service/,
    plant: () => {
      machine.answer('systemctl', 'LoadState=loaded\nKillMode=control-group\n')
      return () => machine.answer('systemctl', 'LoadState=loaded\nKillMode=process\n')
    },
    madeUp: { unit: 'supervisor.service' },
  },
  {
    name: 'a web server that cannot be restarted',
    line: 'sudo',
    status: 'fail',
    what: /cannot restart the web server with \/etc\/init\.d\/nginx/,
    todo: /ALL=NOPASSWD: \/etc\/init\.d\/nginx/,
    plant: async () => {
      await query("UPDATE hosting_service SET restart_cmd = 'sudo /etc/init.d/nginx reload' WHERE service = 'http'")
      return () => query("UPDATE hosting_service SET restart_cmd = 'sudo /usr/sbin/apache2ctl graceful'")
    },
  },
  {
    name: 'a log of Supervisor that nobody rotates',
    line: 'log rotation',
    status: 'warn',
    what: /nobody rotates \/var\/log\/aegir\/skynet-queue\.log/,
    todo: /stdout_logfile_maxbytes/,
    plant: () => program('stdout_logfile_maxbytes=10MB', 'stdout_logfile_maxbytes=0'),
  },
  {
    name: 'a log of its own that nobody rotates',
    line: 'log rotation',
    status: 'warn',
    what: /nobody rotates \/var\/log\/skynet\.log/,
    todo: /skynet-queue\.logrotate/,
    plant: () => local({ log: { file: '/var/log/skynet.log' } }),
  },
  {
    name: 'a record that cannot be read',
    line: 'records',
    status: 'warn',
    what: /20200101T000000000Z-1-1: record\.json is not JSON/,
    todo: /remove the folder/,
    plant: () => {
      const state = 'home/config/skynet/state/runs/20200101T000000000Z-1-1'
      sandbox.folder.makeFolder(state, 0o700)
      sandbox.folder.writeFile(`${state}/record.json`, '{', 0o600)
      return () => rmSync(join(sandbox.folder.path, state), { recursive: true })
    },
  },
]

async function changeModule(change: string): Promise<() => unknown> {
  await query(`UPDATE \`system\` SET ${change} WHERE name = 'hosting_skynet'`)
  const healthy = "name = 'hosting_skynet', status = 1, schema_version = 7100"
  return () => query(`UPDATE \`system\` SET ${healthy} WHERE filename LIKE '%hosting_skynet.module'`)
}

function program(from: string, to: string): () => void {
  machine.writeProgram((text) => {
    assert.ok(text.includes(from))
    return text.replace(from, to)
  })
  return () => machine.writeProgram((text) => text)
}

test('a healthy machine is all green', async () => {
  const report = await examine()
  assert.deepEqual(bad(report), [])
  assert.equal(report.code, 0)
  assert.equal(report.verdict, 'pass')
  assert.deepEqual(
    report.checks.filter(({ status }) => status === 'skip'),
    [],
  )
})

for (const { name, line, status, what, todo, plant, madeUp, options } of FAULTS) {
  test(`${name} turns the line “${line}”, and no other`, async () => {
    const undo = await plant()
    try {
      assertOnly(await examine(madeUp, options?.()), line, status, what, todo)
    } finally {
      await undo()
    }
  })
}

test('cron’s task queue without the module turns its line besides the module’s', async () => {
  const undo = await changeModule("name = 'nothing'")
  try {
    assert.deepEqual(
      bad(await examine()).map(({ name }) => name),
      ['module'],
    )
    await sandbox.hostmaster.setVariable('hosting_queue_tasks_enabled', 's:1:"1";')
    assert.deepEqual(
      bad(await examine()).map(({ name }) => name),
      ['module', 'cron queue'],
    )
  } finally {
    await undo()
    await sandbox.hostmaster.setVariable('hosting_queue_tasks_enabled', 'b:0;')
  }
})

test('after every fault was taken away again the machine is green', async () => {
  await waitForStatusOf(sandbox, 'the daemon to lead', ({ role }) => role === 'leader')
  assert.deepEqual(bad(await examine()), [])
})

test('people get lines of at most 80 characters with what to do below, and a sum', async () => {
  machine.answer('crontab', '')
  const { stdout, code } = await machine.doctor({ type: 0x6969 })
  machine.answer('crontab', '* * * * * drush @hostmaster hosting-dispatch\n')
  assert.equal(code, 2)
  // A path that is longer than a line stays whole, so that it can be copied.
  const tooLong = stdout.split('\n').filter((line) => line.length > 80 && /\S \S/.test(line.slice(25)))
  assert.deepEqual(tooLong, [])
  assert.match(stdout, /^ {2}FAIL state disk {6}\S/m)
  assert.match(stdout, /^ {23}→ Set \[state\] dir/m)
  assert.match(stdout, /\n\n\d\d checks: 1 failure, 1 warning\.\n$/)
})

test('a daemon that is gone turns its line; a record without its task then turns that of the records', async () => {
  daemon.kill('SIGTERM')
  await daemon.exited
  assertOnly(await examine(), 'daemon', 'fail', /The daemon is not running/, /skynet queued/)
  const records = new RunRecords(sandbox)
  const [sample] = records.in('history')
  assert.ok(sample)
  const run = '20200101T000000000Z-1-1'
  records.write({ ...sample, run, nid: 1, vid: 1, state: 'running', outcome: null })
  const report = await examine()
  assert.deepEqual(
    bad(report).map(({ name }) => name),
    ['daemon', 'records'],
  )
  assert.match(bad(report)[1]?.what ?? '', new RegExp(`${run} has no task any more`))
  rmSync(records.folder(run), { recursive: true })
})

test('a daemon whose PATH lacks PHP turns the line “php”, whatever the PATH of the command', async () => {
  daemon = await startLeader(sandbox, [], { PATH: join(sandbox.folder.path, 'bin') })
  await sandbox.waitFor(async () => (await sandbox.skynet(['status', '--json'])).stdout !== '', {
    what: 'the daemon to answer',
    timeoutMs: PATIENCE_MS,
  })
  assertOnly(await examine(), 'php', 'fail', /php is not in PATH/, /Install php-cli/)
})

test('the verb itself prints JSON and ends with the status that its verdict has', async () => {
  const folders = ['--supervisor-dir', join(sandbox.folder.path, 'supervisor'), '--logrotate-dir', '/nowhere']
  const { stdout, code } = await sandbox.skynet(['doctor', '--json', ...folders])
  const { verdict, checks } = JSON.parse(stdout) as Report
  assert.equal(code, { pass: 0, warn: 1, fail: 2 }[verdict])
  assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length)
  assert.ok(checks.some(({ name, status }) => name === 'database' && status === 'pass'))
})

test('without any configuration it still looks at what it can, and makes nothing', async () => {
  const file = join(sandbox.home, 'elsewhere/skynet.conf')
  const report = await examine({}, { config_file: file })
  assertOnly(report, 'configuration', 'fail', /does not exist/, /verify that site/)
  assert.ok(report.checks.some(({ name, status }) => name === 'old runner' && status === 'pass'))
  assert.ok(!existsSync(join(sandbox.home, 'elsewhere')))
})
