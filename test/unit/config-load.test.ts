import assert from 'node:assert/strict'
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.js'
import { defaultConfigFile, homeDirectory } from '../../src/config/find-config.js'
import { loadConfig } from '../../src/config/load.js'
import { configFolder, DATABASE } from './config-folder.js'

const IN_ENVIRONMENT = { SKYNET_DATABASE_DB: 'd', SKYNET_DATABASE_USER: 'u', SKYNET_DATABASE_PASSWD: '' }

test('the three keys without a default make a whole configuration', async (t) => {
  const { config, origins, warnings, files } = await configFolder(t, { 'skynet.conf': DATABASE }).load()
  assert.deepEqual(config, {
    database: { host: 'localhost', port: 3306, socket: null, db: 'hm', user: 'aegir', passwd: 'p;w' },
    queue: {
      concurrent_tasks: 1,
      poll_interval: 500,
      settle: 0,
      paused: false,
      heartbeat_interval: 60_000,
      max_load: 20,
      long_poll: true,
    },
    drush: { command: 'drush', alias: '@hostmaster', timeout: null, nice: 0 },
    timeouts: {},
    log: { level: 'info', format: 'auto', file: null },
    limits: { runs_per_web_server: 3, site_verifies_per_platform: 2 },
    locks: {},
    schedule: {},
    cron: { time_zone: null },
    state: {
      dir: '/home/aegir/config/skynet/state',
      keep: 14 * 86_400_000,
      keep_bytes: 1024 ** 3,
      output_limit: 16 * 1024 ** 2,
      min_free: 100 * 1024 ** 2,
    },
    wake: { socket: '/home/aegir/config/skynet-wake/wake' },
    metrics: { listen: null },
    notify: { on_failure: null, queue_age: 3_600_000 },
  })
  assert.equal(origins.get('queue.paused'), 'default')
  assert.deepEqual(warnings, [])
  assert.equal(files.length, 1)
})

test('every key can be set, in every form of its kind', async (t) => {
  const folder = configFolder(t, {
    'skynet.conf': `[database]
host = db.example.org
port = 33306
socket = ~/mysql.sock
db = "h m"
user = 'a"b'
passwd = ""
[queue]
concurrent_tasks = 4
poll_interval = 0.25s
settle = 0
paused = ON
heartbeat_interval = 2m
max_load = 7.5
[drush]
command = ~/bin/drush
alias = @hm.example
timeout = 8h
nice = 10
[log]
level = trace
format = json
file = /var/log/aegir/../skynet.log
[schedule]
hosting-dispatch = */5 * * * *
core-cron:nightly = 0 3 * * mon-fri
[cron]
time_zone = Europe/Berlin
[state]
dir = ~
keep = 1d
keep_bytes = 1048576
output_limit = 64K
min_free = 0
[wake]
socket = /run/wake
[metrics]
listen = [::1]:9464
[notify]
on_failure = ~/bin/tell
queue_age = 20m
`,
  })
  const { config } = await folder.load()
  assert.deepEqual(config, {
    database: {
      host: 'db.example.org',
      port: 33306,
      socket: '/home/aegir/mysql.sock',
      db: 'h m',
      user: 'a"b',
      passwd: '',
    },
    queue: {
      concurrent_tasks: 4,
      poll_interval: 250,
      settle: 0,
      paused: true,
      heartbeat_interval: 120_000,
      max_load: 7.5,
      long_poll: true,
    },
    drush: { command: '/home/aegir/bin/drush', alias: '@hm.example', timeout: 8 * 3_600_000, nice: 10 },
    timeouts: {},
    log: { level: 'trace', format: 'json', file: '/var/log/skynet.log' },
    limits: { runs_per_web_server: 3, site_verifies_per_platform: 2 },
    locks: {},
    schedule: { 'hosting-dispatch': '*/5 * * * *', 'core-cron:nightly': '0 3 * * mon-fri' },
    cron: { time_zone: 'Europe/Berlin' },
    state: { dir: '/home/aegir', keep: 86_400_000, keep_bytes: 1024 ** 2, output_limit: 64 * 1024, min_free: 0 },
    wake: { socket: '/run/wake' },
    metrics: { listen: '[::1]:9464' },
    notify: { on_failure: '/home/aegir/bin/tell', queue_age: 1_200_000 },
  })
})

for (const [text, value] of [
  ['127.0.0.1:9464', '127.0.0.1:9464'],
  ['monitoring.example.org:80', 'monitoring.example.org:80'],
  ['"[fe80::1]:65535"', '[fe80::1]:65535'],
  ['~/metrics.sock', '/home/aegir/metrics.sock'],
  ['none', null],
] as const) {
  test(`metrics are served at ${text}`, async (t) => {
    const { config } = await configFolder(t, { 'skynet.conf': `${DATABASE}[metrics]\nlisten = ${text}\n` }).load()
    assert.equal(config.metrics.listen, value)
  })
}

for (const [text, value] of Object.entries({
  yes: true,
  TRUE: true,
  on: true,
  1: true,
  no: false,
  False: false,
  off: false,
  0: false,
})) {
  test(`paused = ${text} means ${value}`, async (t) => {
    const { config } = await configFolder(t, { 'skynet.conf': `${DATABASE}[queue]\npaused = ${text}\n` }).load()
    assert.equal(config.queue.paused, value)
  })
}

test('a flag outranks the environment, that local.skynet.conf, that the settings page, that skynet.conf, that the default', async (t) => {
  const folder = configFolder(t)
  const level = async (options: Parameters<typeof folder.load>[0]) => {
    const { config, origins } = await folder.load(options)
    return [config.log.level, origins.get('log.level')?.replace(`${folder.path}/`, '')]
  }
  folder.write('skynet.conf', DATABASE)
  assert.deepEqual(await level({}), ['info', 'default'])
  folder.write('skynet.conf', `${DATABASE}[log]\nlevel = fatal\n`)
  assert.deepEqual(await level({}), ['fatal', 'skynet.conf:6'])
  const settings = { log_level: 'error' }
  assert.deepEqual(await level({ settings }), ['error', 'settings page'])
  folder.write('local.skynet.conf', '\n[log]\nlevel = warn\n')
  assert.deepEqual(await level({ settings }), ['warn', 'local.skynet.conf:3'])
  const environment = { SKYNET_LOG_LEVEL: 'debug' }
  assert.deepEqual(await level({ settings, environment }), ['debug', 'environment SKYNET_LOG_LEVEL'])
  assert.deepEqual(await level({ settings, environment, flags: { log: { level: 'trace' } } }), ['trace', 'flag'])
})

test('the settings page may say seconds, numbers and texts; what it says wrongly is ignored with a warning', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const good = await folder.load({ settings: { concurrent_tasks: 3, log_level: '', heartbeat_interval: '30' } })
  assert.equal(good.config.queue.concurrent_tasks, 3)
  assert.equal(good.config.queue.heartbeat_interval, 30_000)
  assert.equal(good.origins.get('log.level'), 'default')
  assert.deepEqual(good.warnings, [])

  const bad = await folder.load({
    settings: { concurrent_tasks: '0', log_level: ['x'], heartbeat_interval: '2 weeks' },
  })
  assert.equal(bad.config.queue.concurrent_tasks, 1)
  assert.deepEqual(bad.warnings, [
    'settings page: [queue] concurrent_tasks is "0", but must be a whole number from 1 to 256; it is ignored',
    'settings page: [log] level is "a object", but must be one of trace, debug, info, warn, error, fatal; it is ignored',
    'settings page: [queue] heartbeat_interval is "2 weeks", but must be a number with its unit (ms, s, m, h or d), from 1s to 1h; it is ignored',
  ])
})

test('all faults of all sources come in one error, each with its place', async (t) => {
  const folder = configFolder(t, {
    'skynet.conf': `${DATABASE}password = hunter2\n[queue]\nconcurrent_taks = 3\npoll_interval = 5\nlevel = info\nnonsense\n[lgo]\nx = 1\n[pqrst]\n`,
    'local.skynet.conf':
      '[log]\nlevel = infoo\n[schedule]\nHosting = * * * * *\nhosting-task = * * * * *\nhosting-cron = 61 * * * *\n',
  })
  const environment = { SKYNET_QUEUE_PAUSD: '1', SKYNET_DRUSH_NICE: '', SKYNET_SCHEDULE_X: '* * * * *' }
  assert.deepEqual(
    await folder.faults({ environment, flags: { queue: { settle: '2d' }, ...{ drsh: { nice: '1' } } } }),
    [
      'local.skynet.conf:2: [log] level is "infoo", but must be one of trace, debug, info, warn, error, fatal',
      'local.skynet.conf:4: [schedule] a name must be that of a drush command (small letters, digits and : _ -, at most 100)',
      'local.skynet.conf:5: [schedule] hosting-task cannot be scheduled: Skynet itself runs the tasks',
      'local.skynet.conf:6: [schedule] hosting-cron must be a cron expression such as */5 * * * *',
      'skynet.conf:5: [database] unknown key password; did you mean passwd?',
      'skynet.conf:7: [queue] unknown key concurrent_taks; did you mean concurrent_tasks?',
      'skynet.conf:8: [queue] poll_interval is "5", but must be a number with its unit (ms, s, m, h or d), from 50ms to 10m',
      'skynet.conf:9: [queue] unknown key level: it belongs into [log]',
      'skynet.conf:10: is neither blank, nor a comment (; or #), nor [section], nor key = value',
      'skynet.conf:11: unknown section lgo; did you mean log?',
      'skynet.conf:13: unknown section (nearest: drush); known are database, queue, drush, timeouts, log, limits, locks, schedule, cron, state, wake, metrics, notify',
      'environment SKYNET_DRUSH_NICE: [drush] nice is "", but must be a whole number from 0 to 19',
      'environment SKYNET_QUEUE_PAUSD: unknown variable SKYNET_QUEUE_PAUSD; did you mean SKYNET_QUEUE_PAUSED?',
      'environment SKYNET_SCHEDULE_X: [schedule] cannot be set here, only in the files',
      'flag: [queue] settle is "2d", but must be a number with its unit (ms, s, m, h or d), from 0s to 1h',
      'flag: unknown section drsh; did you mean drush?',
    ],
  )
})

for (const [line, message] of [
  ['[database]\nport = 0', 'port must be a whole number from 1 to 65535'],
  ['[database]\nport = 3306 passwd=hunter2', 'port must be a whole number from 1 to 65535'],
  ['[database]\nhost = ""', 'host must be a name: not empty, without control characters or blanks at its ends'],
  ['[database]\nsocket = mysql.sock', 'socket must be an absolute path (~/ stands for the home directory), or auto'],
  [`[wake]\nsocket = /${'x'.repeat(107)}`, 'at most 107 bytes long'],
  ['[timeouts]\nconstructor = 5m', 'constructor cannot be a name here'],
  ['[schedule]\nprototype = * * * * *', 'prototype cannot be a name here'],
  ['[locks]\nMine = site', 'is no name of a task type'],
  ['[queue]\nconcurrent_tasks = 1.5', 'whole number from 1 to 256'],
  ['[queue]\nconcurrent_tasks = -1', 'whole number from 1 to 256'],
  ['[queue]\nconcurrent_tasks = 1e2', 'whole number from 1 to 256'],
  ['[queue]\npoll_interval = 49ms', 'from 50ms to 10m'],
  ['[queue]\npoll_interval = 0', 'from 50ms to 10m'],
  ['[queue]\npoll_interval = 5 min', 'a number with its unit'],
  ['[queue]\npoll_interval = none', 'a number with its unit'],
  ['[queue]\npaused = maybe', 'yes or no'],
  ['[queue]\nmax_load = 0', 'a number above 0, or auto'],
  ['[queue]\nmax_load = many', 'a number above 0, or auto'],
  ['[drush]\ncommand = drush --nocolor', 'one program, without arguments'],
  ['[drush]\ncommand = ./drush', 'one program, without arguments'],
  ['[drush]\ncommand = --version', 'one program, without arguments'],
  ['[drush]\nalias = hostmaster', 'a drush alias such as @hostmaster'],
  ['[drush]\nalias = "@hm --force"', 'a drush alias such as @hostmaster'],
  ['[drush]\ntimeout = 25d', 'from 1s to 24d, or none'],
  ['[drush]\nnice = -5', 'whole number from 0 to 19'],
  ['[log]\nlevel = INFO', 'one of trace, debug, info'],
  ['[log]\nfile = log.txt', 'an absolute path'],
  ['[log]\nfile = "/a\\u0000b"', 'an absolute path'],
  ['[state]\nkeep_bytes = 1T', 'K, M or G'],
  ['[state]\nkeep_bytes = 1GB', 'K, M or G'],
  ['[state]\noutput_limit = 1K', 'from 64K to 64G'],
  ['[state]\ndir = ~other/state', 'an absolute path'],
  ['[schedule]\n__proto__ = * * * * *', 'a name must be that of a drush command'],
  ['[schedule]\nx = * * * *', 'must be a cron expression'],
  [
    '[metrics]\nlisten = 9464',
    'must be HOST:PORT (127.0.0.1:9464, [::1]:9464) or the absolute path of a socket, or none',
  ],
  ['[metrics]\nlisten = 127.0.0.1:0', 'must be HOST:PORT'],
  ['[metrics]\nlisten = 127.0.0.1:65536', 'must be HOST:PORT'],
  ['[metrics]\nlisten = ::1:9464', 'must be HOST:PORT'],
  ['[metrics]\nlisten = http://localhost:9464', 'must be HOST:PORT'],
  [`[metrics]\nlisten = /${'x'.repeat(107)}`, 'at most 107 bytes long'],
  ['[notify]\non_failure = mail root', 'an absolute path (~/ stands for the home directory), or none'],
  ['[notify]\nqueue_age = none', 'a number with its unit'],
  ['[schedule]\nhosting-queued = * * * * *', 'Skynet itself runs the tasks'],
  ['[cron]\ntime_zone = Berlin', 'must be a time zone such as Europe/Berlin or UTC, or auto'],
  ['[__proto__]\nx = 1', 'unknown section (nearest: '],
  ['[a.b]\nx = 1', 'unknown section (nearest: '],
  ['[queue]\nconstructor = 1', '[queue] unknown key (nearest: '],
  ['[queue]\npaused[] = 1', '[queue] unknown key (nearest: paused)'],
  ['[queue]\nx = 1', '; known are concurrent_tasks, poll_interval'],
] as const) {
  test(`${JSON.stringify(line)} is refused with the line and what would be right`, async (t) => {
    const folder = configFolder(t, { 'skynet.conf': DATABASE, 'local.skynet.conf': line })
    const faults = await folder.faults()
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] ?? '', /^local\.skynet\.conf:\d: /)
    assert.ok(faults[0]?.includes(message), faults[0])
    assert.doesNotMatch(faults[0] ?? '', /hunter2/)
  })
}

test('a missing file tells how it comes into being', async (t) => {
  const folder = configFolder(t)
  await assert.rejects(folder.load(), (error) => {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.code, 'CONFIG_MISSING')
    assert.equal(error.exitStatus, 78)
    assert.ok(error.message.startsWith(`${folder.file}: does not exist`))
    assert.match(error.remedy ?? '', /hosting_skynet.*verify that site.*config\.example\.ini/)
    return true
  })
})

test('the file may be missing where environment and local file say which database', async (t) => {
  const folder = configFolder(t)
  const { config, files } = await folder.load({ environment: IN_ENVIRONMENT })
  assert.deepEqual([config.database.db, config.database.passwd, files], ['d', '', []])
  await assert.rejects(folder.load({ environment: { SKYNET_DATABASE_DB: 'd' } }), { code: 'CONFIG_MISSING' })
  folder.write('local.skynet.conf', DATABASE)
  assert.deepEqual((await folder.load()).files, [folder.localFile])
})

test('a file without db, user or passwd says which is missing, but not where a broken line may hold it', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': '[database]\nuser = u\n' })
  assert.deepEqual(await folder.faults(), [
    'skynet.conf: [database] db is missing',
    'skynet.conf: [database] passwd is missing',
  ])
  folder.write('skynet.conf', '[database]\nuser = u\ndb = d\npasswd = "hunt')
  const faults = await folder.faults()
  assert.equal(faults.length, 1)
  assert.match(faults[0] ?? '', /^skynet\.conf:4: the value has a quote at one end only/)
})

for (const [name, content, message] of [
  ['an empty file', '', 'skynet.conf: is empty; perhaps it is being written just now'],
  ['a file of blank lines', '\n\n \n', 'skynet.conf: is empty; perhaps it is being written just now'],
  ['a file that is too large', `;${'x'.repeat(70_000)}`, 'skynet.conf: is larger than 64 KiB: not a configuration'],
  [
    'a file of other bytes',
    Buffer.from([0x5b, 0xff, 0xfe]),
    'skynet.conf: is not UTF-8 text; a value with other bytes cannot be read',
  ],
] as const) {
  test(`${name} is a clear error`, async (t) => {
    assert.deepEqual(await configFolder(t, { 'skynet.conf': content }).faults(), [message])
  })
}

test('a half-written file is an error at every length that lost something', async (t) => {
  const folder = configFolder(t)
  const whole = '[database]\nhost = "localhost"\nport = "3306"\ndb = "hm"\nuser = "aegir"\npasswd = "p;w"\n'
  for (let length = 0; length < whole.length - 1; length++) {
    folder.write('skynet.conf', whole.slice(0, length))
    assert.notDeepEqual(await folder.faults(), [], JSON.stringify(whole.slice(0, length)))
  }
})

test('links: the target is read; one that leads nowhere is an error, also as local file', async (t) => {
  const folder = configFolder(t, { 'real.conf': DATABASE })
  symlinkSync('real.conf', folder.file)
  assert.equal((await folder.load()).config.database.db, 'hm')
  symlinkSync('gone.conf', folder.localFile)
  assert.deepEqual(await folder.faults(), ['local.skynet.conf: is a link to gone.conf, which does not exist'])
  rmSync(folder.localFile)
  rmSync(join(folder.path, 'real.conf'))
  assert.deepEqual(await folder.faults(), ['skynet.conf: is a link to real.conf, which does not exist'])
})

test('variables of the environment that name no section are left alone', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  await folder.load({ environment: { SKYNET_HOME: '/x', SKYNET_QUEUE: '1', SKYNET: 'x', skynet_queue_paused: 'x' } })
})

test('thousands of faults are counted, not printed', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': 'x\n'.repeat(3000) })
  const faults = await folder.faults()
  assert.equal(faults.length, 31)
  assert.equal(faults.at(-1), '… and 2970 more')
})

test('home is HOME where that is a path, else the one of the user database; the file lies below it', () => {
  assert.equal(homeDirectory({ HOME: '/var/aegir' }), '/var/aegir')
  assert.equal(homeDirectory({ HOME: '' }), homeDirectory({}))
  assert.equal(defaultConfigFile('/var/aegir'), '/var/aegir/config/skynet/skynet.conf')
})

test('without a file the one below HOME is read, and max_load follows the processors of this machine', async (t) => {
  const folder = configFolder(t)
  const error = await loadConfig({ environment: { HOME: folder.path } }).catch((reason: unknown) => reason)
  assert.ok(error instanceof ConfigError)
  assert.ok(error.message.startsWith(`${folder.path}/config/skynet/skynet.conf: does not exist`), error.message)
  const { config } = await loadConfig({ environment: { HOME: folder.path, ...IN_ENVIRONMENT } })
  assert.equal(config.queue.max_load, 5 * availableParallelism())
})

test('two loads at a time, and a file that changes between them, do not disturb each other', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const first = folder.load()
  writeFileSync(folder.file, DATABASE.replace('hm', 'other'))
  const second = folder.load()
  assert.deepEqual([(await first).config.database.db, (await second).config.database.db], ['hm', 'other'])
})
