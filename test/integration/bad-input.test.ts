import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, rmSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { Sandbox, type CommandResult, type ConfigSections } from '../sandbox/sandbox.js'

/** The load of the machine that the tests run on is none of the tests'. */
const QUEUE = { max_load: 1000, poll_interval: '100ms' }

describe('bad input gets a clear error and loses nothing', { timeout: 240_000 }, () => {
  let sandbox: Sandbox
  let site: number
  let file: string

  const writeConfig = (sections: ConfigSections = {}, options: { file?: string; mode?: number } = {}): string =>
    sandbox.writeConfig(options.file === undefined ? { queue: QUEUE, ...sections } : sections, options)
  const writeText = (text: string): string => sandbox.folder.writeFile('home/config/skynet/skynet.conf', text, 0o600)
  const once = (env: Record<string, string> = {}): Promise<CommandResult> => sandbox.skynet(['queued', '--once'], env)
  const queueVerify = (): Promise<{ nid: number; vid: number }> =>
    sandbox.hostmaster.queueTask({ object: site, type: 'verify', arguments: { sandbox_ms: '20' } })

  /** What every refusal has in common: nothing on standard output but the log, no stack, the status, the words. */
  function assertRefused(result: CommandResult, status: number, ...words: (string | RegExp)[]): void {
    const said = result.stderr
    assert.equal(result.code, status, `${said}\n${result.stdout}`)
    assert.match(said, /^skynet: /)
    assert.doesNotMatch(said, /^\s+at .*:\d+:\d+\)?$/m, 'a stack trace is not for an operator')
    assert.doesNotMatch(said, /undefined|\[object|NaN/)
    assert.ok(!said.includes(sandbox.hostmaster.credentials.passwd), 'the password is in no error')
    for (const word of words) assert.match(said, typeof word === 'string' ? new RegExp(escape(word)) : word)
  }

  before(async () => {
    sandbox = await Sandbox.create({ passwd: 'Never-to-be-seen' })
    site = (await sandbox.hostmaster.hostmasterSite()).site
    file = `${sandbox.configFolder}/skynet.conf`
  })
  afterEach(() => {
    chmodSync(sandbox.configFolder, 0o700)
    sandbox.linkDrush()
    for (const name of ['skynet.conf', 'local.skynet.conf']) rmSync(`${sandbox.configFolder}/${name}`, { force: true })
  })
  after(() => sandbox.close())

  test('no file: says who writes it and what to do without the module', async () => {
    rmSync(file, { force: true })
    const remedy = [/verify that site/, /config\.example\.ini/, /mode 0600/]
    assertRefused(await once(), 78, `${file}: does not exist`, ...remedy)
  })

  test('a file that may not be read: names its mode and the command that mends it', async () => {
    writeConfig({}, { mode: 0o000 })
    assertRefused(await once(), 78, `${file}: cannot be read: its mode is 0000; mend: chmod 600 ${file}`)
  })

  test('a file that others may read is refused: names the command that mends it', async () => {
    writeConfig({}, { mode: 0o644 })
    assertRefused(await once(), 78, 'has mode 0644, which lets other users in', `mend: chmod 600 ${file}`)
  })

  test('a folder that others may enter is refused: names the command that mends it', async () => {
    writeConfig()
    chmodSync(sandbox.configFolder, 0o755)
    assertRefused(await once(), 78, 'has mode 0755', `mend: chmod 700 ${sandbox.configFolder}`)
  })

  test('bad INI: every bad line with its number, and none of its text', async () => {
    const broken = ['[database]', 'host localhost', '[queue', 'passwd = "Never-to-be-seen']
    writeText(broken.join('\n'))
    assertRefused(await once(), 78, `${file}:2: is neither blank`, `${file}:3: is neither blank`, `${file}:4: `)
  })

  test('an empty file is not taken for a configuration', async () => {
    writeText('')
    assertRefused(await once(), 78, `${file}: is empty`)
  })

  test('a file with bytes that are no text is refused', async () => {
    writeText('[database]\npasswd = a\0b\n')
    assertRefused(await once(), 78, `${file}:2: holds a NUL character`)
    writeText('')
    appendFileSync(file, Buffer.from([0x5b, 0xff, 0xfe, 0x5d]))
    assertRefused(await once(), 78, `${file}: is not UTF-8 text`)
  })

  test('an unknown key: names the nearest known one, or the section that it belongs into', async () => {
    writeConfig({ queue: { concurent_tasks: 2 }, drush: { level: 'info' }, databse: {} })
    const words = ['did you mean concurrent_tasks?', 'it belongs into [log]', 'did you mean database?']
    assertRefused(await once(), 78, ...words, `skynet config check --config_file ${file}`)
  })

  test('an unknown key in local.skynet.conf is told with that file', async () => {
    writeConfig()
    writeConfig({ log: { levl: 'debug' } }, { file: 'local.skynet.conf' })
    assertRefused(await once(), 78, /local\.skynet\.conf:2: .*unknown key levl\b.*; did you mean level\?/)
  })

  test('an unknown variable of the environment: names the nearest known one', async () => {
    writeConfig()
    const words = /environment SKYNET_QUEUE_SETLE: unknown variable.*; did you mean SKYNET_QUEUE_SETTLE\?/
    assertRefused(await once({ SKYNET_QUEUE_SETLE: '1s' }), 78, words)
  })

  test('values of the wrong type: each with what it must be', async () => {
    writeConfig({ queue: { concurrent_tasks: 'many', poll_interval: '5 parsecs' }, log: { level: 'loud' } })
    const words = [
      'concurrent_tasks is "many", but must be a whole number from 1 to 256',
      'must be one of trace, debug',
    ]
    assertRefused(await once(), 78, ...words, 'poll_interval is "5 parsecs", but must be a number with its unit')
  })

  test('a flag of the wrong type is told as one', async () => {
    writeConfig()
    const result = await sandbox.skynet(['queued', '--once', '--set', 'queue.concurrent_tasks=none'])
    assertRefused(result, 78, 'flag: [queue] concurrent_tasks is "none", but must be a whole number')
  })

  test('wrong credentials: names user and server, and not the password', async () => {
    writeConfig({ database: { ...sandbox.databaseSection(), passwd: 'Wrong-and-secret' } })
    const result = await once()
    assertRefused(result, 78, 'does not serve user hostmaster: wrong user or password', 'Check [database]')
    assert.doesNotMatch(result.stderr + result.stdout, /Wrong-and-secret/)
  })

  test('no such database: names it', async () => {
    writeConfig({ database: { ...sandbox.databaseSection(), db: 'nowhere' } })
    assertRefused(await once(), 78, 'The database nowhere', 'there is no such database, or this user has no right')
  })

  test('a database that is not a hostmaster: names the missing table, then the missing column', async () => {
    const { hostmaster } = sandbox
    await hostmaster.execute('CREATE DATABASE shop')
    await hostmaster.execute("GRANT ALL ON shop.* TO hostmaster@'127.0.0.1'")
    const tables = ['hosting_task_log', 'hosting_task_arguments', 'hosting_context', 'node', 'semaphore', 'variable']
    for (const table of tables) await hostmaster.execute('CREATE TABLE shop.?? LIKE ??'.replaceAll('??', table))
    writeConfig({ database: { ...sandbox.databaseSection(), db: 'shop' } })
    assertRefused(
      await once(),
      78,
      "The database shop is not a hostmaster's: it lacks hosting_task.\n",
      'Set [database] db',
    )
    await hostmaster.execute('CREATE TABLE shop.hosting_task (vid INT, nid INT, task_type TEXT, rid INT, executed INT)')
    assertRefused(await once(), 78, 'it lacks hosting_task.task_status.')
  })

  test('no server at the address: 69, and the way to wait for it', async () => {
    writeConfig({ database: { ...sandbox.databaseSection(), port: 1 } })
    assertRefused(await once(), 69, 'cannot be reached: nothing listens at the address', 'use --wait')
  })

  test('a server socket that is not there: 69, with its path', async () => {
    const socket = `${sandbox.home}/none.sock`
    writeConfig({ database: { ...sandbox.databaseSection(), host: 'localhost', socket } })
    assertRefused(await once(), 69, "cannot be reached: the server's socket is not there", socket)
  })

  const drushes: { name: string; command: () => string; words: () => string }[] = [
    {
      name: 'drush that PATH does not find',
      command: () => 'drushh',
      words: () => 'drushh was not found in PATH; set [drush] command',
    },
    {
      name: 'drush at a path where nothing is',
      command: () => `${sandbox.home}/no/drush`,
      words: () => `${sandbox.home}/no/drush does not exist; set [drush] command`,
    },
    {
      name: 'drush that is not executable',
      command: () => sandbox.folder.writeFile('bin/plain-drush', '#!/bin/sh\n', 0o644),
      words: () => `${sandbox.folder.path}/bin/plain-drush is not executable`,
    },
    { name: 'drush that is a folder', command: () => sandbox.home, words: () => `${sandbox.home} is not executable` },
  ]
  for (const { name, command, words } of drushes) {
    test(`${name}: the task stays queued, and runs when it is mended`, async () => {
      const { nid, vid } = await queueVerify()
      writeConfig({ drush: { command: command() } })
      const result = await once()
      assertRefused(result, 1, `drush does not work: ${words()}`, `as the same user: ${command()} @hostmaster status`)
      const [row, ...more] = await sandbox.hostmaster.taskRows(nid)
      assert.deepEqual([row?.vid, row?.task_status, more], [vid, 0, []], 'the task is as it was queued')
      assert.deepEqual(await sandbox.hostmaster.log(nid), [], 'no task is blamed')
      writeConfig()
      assert.equal((await once()).code, 0)
      assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
      assert.equal(sandbox.journalFile.of('start', nid).length, 1)
    })
  }

  test('drush in a closed folder of PATH is told as not found, not as not executable', async () => {
    const { nid } = await queueVerify()
    const closed = sandbox.folder.makeFolder('closed', 0o000)
    writeConfig({ drush: { command: 'drushh' } })
    assertRefused(await once({ PATH: `${closed}:/usr/bin:/bin` }), 1, 'drushh was not found in PATH')
    writeConfig()
    assert.equal((await once()).code, 0)
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  })

  test('an alias that drush does not know: its words are passed on, the task stays queued', async () => {
    const { nid } = await queueVerify()
    writeConfig({ drush: { alias: '@nobody.knows' } })
    assertRefused(await once(), 1, 'Could not find the alias @nobody.knows', 'drush @nobody.knows status')
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 0)
    writeConfig()
    assert.equal((await once()).code, 0)
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
  })

  test('task rows with NULL or absurd values neither end the daemon nor hold up the others', async () => {
    const { hostmaster } = sandbox
    writeConfig()
    const damaged: number[] = []
    const damage = async (change: string, values: unknown[] = []): Promise<void> => {
      const { nid, vid } = await queueVerify()
      await hostmaster.execute(`UPDATE hosting_task t JOIN node n USING (vid) SET ${change} WHERE t.vid = ?`, [
        ...values,
        vid,
      ])
      damaged.push(nid)
    }
    await damage('t.task_status = NULL')
    await damage('t.task_status = 99')
    await damage('t.task_status = -7')
    const inert = damaged.length
    await damage('t.task_type = NULL')
    await damage('t.task_type = ?', ['x'.repeat(65_536)])
    await damage('t.rid = 0')
    await damage('t.rid = -1')
    await damage('t.rid = 2147483647')
    await damage('n.changed = 2147483647')
    await damage('t.executed = -1, t.delta = 2147483647')
    const healthy = await queueVerify()
    const result = await once()
    assert.equal(result.code, 0, result.stderr)
    assert.equal(await hostmaster.currentStatus(healthy.nid), 1)
    for (const nid of damaged.slice(0, inert)) assert.equal(sandbox.journalFile.of('start', nid).length, 0)
    for (const nid of damaged.slice(inert)) {
      assert.equal(sandbox.journalFile.of('start', nid).length, 1, `task ${nid} is drush's to judge`)
    }
    assert.doesNotMatch(result.stdout, /"level":"(error|fatal)"|unexpected/)
  })

  test('names with control characters or 64 KB of text are stripped and cut before they are logged or shown', async () => {
    const { hostmaster } = sandbox
    await hostmaster.execute('ALTER TABLE node MODIFY title LONGTEXT NOT NULL, DROP KEY node_title_type')
    await hostmaster.execute('ALTER TABLE hosting_context MODIFY name LONGTEXT NOT NULL')
    const wicked = `\u001b]0;owned\u0007\u001b[31mred\r\n{"level":"fatal","msg":"forged"}\u202e\u0000end`
    const server = await hostmaster.server()
    const platform = await hostmaster.platform({ server })
    const tasks: number[] = []
    // One after the other: without its unique key, side by side, the server sees a deadlock now and then.
    for (const uri of [wicked, 'é'.repeat(65_536)]) {
      const object = await hostmaster.site({ uri, platform, dbServer: server })
      const name = `${wicked}${'t'.repeat(65_536)}`
      const { nid } = await hostmaster.queueTask({ object, type: name, title: name, arguments: { sandbox_ms: '20' } })
      tasks.push(nid)
    }
    writeConfig({ queue: { ...QUEUE, paused: 'yes' } })
    const daemon = sandbox.startDaemon()
    await daemon.waitForLog('leading', { timeoutMs: 30_000 })
    const status = await sandbox.waitFor(
      async () => {
        const { stdout } = await sandbox.skynet(['status'])
        return stdout.includes('Waiting:   2') ? stdout : undefined
      },
      { what: 'both tasks to be shown', timeoutMs: 30_000 },
    )
    writeConfig()
    for (const nid of tasks) await sandbox.waitForStatus(nid, 1, 30_000)
    await daemon.waitForLog(({ msg, nid }) => msg === 'task ended' && nid === tasks[1], { timeoutMs: 30_000 })
    daemon.kill('SIGTERM')
    await daemon.exited
    const log = daemon.logs.filter(({ nid }) => tasks.includes(Number(nid)))
    assert.equal(log.filter(({ msg }) => msg === 'task started').length, 2)
    assert.deepEqual(daemon.otherOutput, [])
    // eslint-disable-next-line no-control-regex
    const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/
    assert.doesNotMatch(status, control)
    assert.doesNotMatch(status, /^\{"level":"fatal"/m)
    for (const line of status.split('\n')) assert.ok(line.length < 1000, `a line of ${line.length} characters`)
    for (const { object, type } of log) {
      for (const text of [object, type]) {
        assert.doesNotMatch(String(text), control)
        assert.ok(String(text).length <= 201, `${String(text).length} characters`)
      }
    }
  })

  test('a bad edit of skynet.conf under a running daemon is told once and changes nothing', async () => {
    writeConfig()
    const daemon = sandbox.startDaemon()
    await daemon.waitForLog('leading', { timeoutMs: 30_000 })
    writeText('[queue]\nconcurrent_tasks = many\n')
    const told = await daemon.waitForLog(({ level, err }) => level !== 'info' && /must be a whole/.test(errText(err)), {
      timeoutMs: 30_000,
      what: 'the words about the bad configuration',
    })
    const { nid } = await queueVerify()
    await sandbox.waitForStatus(nid, 1, 30_000)
    assert.equal(daemon.logs.filter(({ msg }) => msg === told.msg).length, 1)
    daemon.kill('SIGTERM')
    assert.equal((await daemon.exited).code, 0)
  })

  // Nobody else can be root.
  if (process.getuid?.() === 0) {
    test('root is refused, as drush refuses root, and told whom to be', () => {
      const { environment: env, install } = sandbox
      const result = spawnSync(install.node, [install.main, 'queued'], { env, encoding: 'utf8' })
      assert.equal(result.status, 77)
      assert.match(result.stderr, /does not run as root, because drush refuses root/)
      assert.match(result.stderr, /sudo -u aegir skynet queued/)
    })
  }

  test('wrong usage: 2, the nearest verb or option, and where the help is', async () => {
    for (const [args, hint] of [
      [['queud'], 'Did you mean one of queue, queued?'],
      [['statu'], 'Did you mean status?'],
      [['status', '--jsn'], 'Did you mean --json?'],
      [['config', 'chek'], 'Did you mean check?'],
      [['status', 'more'], 'too many arguments'],
      [['help', 'config', 'chek'], 'there is no verb “chek”'],
    ] as const) {
      const result = await sandbox.skynet([...args])
      assert.equal(result.code, 2, args.join(' '))
      assert.equal(result.stdout, '')
      assert.match(result.stderr, new RegExp(escape(hint)))
      assert.match(result.stderr, /skynet --help/)
    }
  })

  test('a password on the command line is refused before anything else is looked at', async () => {
    const result = await sandbox.skynet(['queued', '--set', 'database.passwd=Never-to-be-seen'])
    assertRefused(result, 2, 'The password has no flag', 'SKYNET_DATABASE_PASSWD')
  })

  test('status, pause and resume without a daemon: 69, the socket, and how to start one', async () => {
    writeConfig()
    for (const verb of ['status', 'pause', 'resume']) {
      assertRefused(await sandbox.skynet([verb]), 69, 'The daemon is not running', 'control.sock', 'skynet queued')
    }
  })
})

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function errText(err: unknown): string {
  return JSON.stringify(err ?? null)
}
