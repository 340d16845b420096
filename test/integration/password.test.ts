import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { after, afterEach, before, describe, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { Sandbox, type ConfigSections } from '../sandbox/sandbox.js'

/**
 * Words that occur nowhere else, joined by every character that a shell, an INI file or a URL would stumble over. Each
 * word is looked for, so that a password that was quoted, escaped or cut on its way is found as well.
 */
const WORDS = ['Aq7kz', 'Bw8xj', 'Cv9yh', 'Du4zg', 'Et5rf', 'Fs6qe', 'Gr3pd', 'Ho2nc', 'Ip8mb', 'Jü9ß€']
const PASSWORD = [';', '# ', '%', '=', '"', "'", '\\', '$', ' ']
  .map((separator, index) => `${WORDS[index] ?? ''}${separator}`)
  .join('')
  .concat(WORDS.at(-1) ?? '')

describe('the database password', { timeout: 180_000 }, () => {
  let sandbox: Sandbox
  let site: number

  before(async () => {
    sandbox = await Sandbox.create({ passwd: PASSWORD })
    site = (await sandbox.hostmaster.hostmasterSite()).site
  })
  afterEach(async () => {
    for (const daemon of sandbox.daemons) {
      daemon.kill()
      await daemon.exited
    }
  })
  after(() => sandbox.close())

  const database = (): ConfigSections => {
    const { host = '', port = '', db = '', user = '' } = sandbox.databaseSection()
    return { database: { host, port, db, user } }
  }
  const sections = (more: ConfigSections = {}): ConfigSections => ({ queue: { max_load: 1000 }, ...more })

  /** A task through a daemon at trace level, an outage in its middle; gives the daemon. */
  async function workUnderWatch(env: Record<string, string>): Promise<DaemonProcess> {
    const { hostmaster } = sandbox
    const daemon = sandbox.startDaemon(['--set', 'log.level=trace'], env)
    const { nid } = await hostmaster.queueTask({ object: site, type: 'verify', arguments: { sandbox_hang: '1' } })
    const { pid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
      timeoutMs: 30_000,
    })
    const processes = processesOf(sandbox.home)
    const children = processes.filter((process) => process.pid !== daemon.pid)
    assert.ok(
      children.some((child) => child.pid === pid),
      'drush is among the processes that are looked at',
    )
    for (const child of children) assertUnseen(child.environ, `environment of process ${child.pid} (${child.cmdline})`)
    for (const { cmdline } of allCommandLines()) assertUnseen(cmdline, 'a command line')
    await sandbox.database.kill()
    await daemon.waitForLog('database is not usable; waiting for it', { timeoutMs: 30_000 })
    await sandbox.database.start()
    await daemon.waitForLog('database is back', { timeoutMs: 30_000 })
    process.kill(pid, 'SIGKILL')
    await sandbox.waitForStatus(nid, 2, 30_000)
    await daemon.waitForLog(({ msg, nid: ended }) => msg === 'task ended' && ended === nid, { timeoutMs: 30_000 })
    assertUnseen((await hostmaster.log(nid)).map(({ message }) => message).join('\n'), "the task's log in Aegir")
    return daemon
  }

  function assertLogIsClean(daemon: DaemonProcess): void {
    assert.ok(daemon.logs.length > 5)
    assertUnseen(daemon.logs, 'the log at trace level')
    assertUnseen(daemon.otherOutput, 'other output')
    assertUnseen(daemon.stderr, 'standard error')
  }

  /** What the daemon keeps on disk: records, outputs, sockets, its pid. */
  function assertDiskIsClean(): void {
    const files = filesUnder(join(sandbox.configFolder, 'state'))
    assert.ok(files.length > 2)
    for (const file of files) assertUnseen(readFileSync(file, 'utf8'), file)
  }

  test('works from the file, and is in no command line, environment, log line, record or answer', async () => {
    sandbox.writeConfig(sections())
    const daemon = await workUnderWatch({})
    for (const { pid, environ } of processesOf(sandbox.home)) assertUnseen(environ, `environment of process ${pid}`)
    const status = await sandbox.skynet(['status', '--json'])
    assert.equal(status.code, 0, status.stdout)
    assertUnseen(status.stdout, 'status')
    daemon.kill('SIGTERM')
    assert.equal((await daemon.exited).code, 0)
    assertLogIsClean(daemon)
    assertDiskIsClean()
  })

  test('works from the environment, and is not handed on to any child', async () => {
    sandbox.writeConfig(sections(database()))
    const daemon = await workUnderWatch({ SKYNET_DATABASE_PASSWD: PASSWORD })
    daemon.kill('SIGTERM')
    assert.equal((await daemon.exited).code, 0)
    assertLogIsClean(daemon)
    assertDiskIsClean()
  })

  test('is masked by config show, in words and as JSON, whichever source it has', async () => {
    for (const [config, env] of [
      [sections(), {}],
      [sections(database()), { SKYNET_DATABASE_PASSWD: PASSWORD }],
    ] as const) {
      sandbox.writeConfig(config)
      for (const options of [[], ['--json']]) {
        const shown = await sandbox.skynet(['config', 'show', ...options], env)
        assert.equal(shown.code, 0, shown.stderr)
        assert.match(shown.stdout, /passwd.{0,20}\*{8}/)
        assertUnseen(shown.stdout + shown.stderr, 'config show')
      }
    }
  })

  test('is in no error text: not when it is wrong, nor when its line cannot be read or stands in the wrong place', async () => {
    const credentials = sandbox.databaseSection()
    const wrong = { database: { ...credentials, passwd: `${PASSWORD}x` } }
    const misplaced: ConfigSections[] = [
      wrong,
      { database: { ...credentials, password: PASSWORD } },
      { database: { ...credentials, port: PASSWORD } },
      { database: credentials, [PASSWORD.replaceAll(/[[\]#;]/g, '')]: { db: 'x' } },
    ]
    for (const config of misplaced) {
      sandbox.writeConfig(sections(config))
      for (const args of [
        ['queued', '--once', '--set', 'log.level=trace'],
        ['config', 'check', '--json'],
        ['status'],
      ]) {
        const result = await sandbox.skynet(args)
        if (!(config === wrong && args[0] === 'config')) assert.notEqual(result.code, 0)
        assertUnseen(result.stdout + result.stderr, `${args.join(' ')} with ${Object.keys(config).length} sections`)
      }
    }
    for (const line of [`passwd = ${PASSWORD}`, `passwd = "${PASSWORD}`, `passwd ${PASSWORD}`, PASSWORD]) {
      sandbox.folder.writeFile('home/config/skynet/skynet.conf', `[database]\ndb = x\nuser = x\n${line}\n`, 0o600)
      const result = await sandbox.skynet(['config', 'check'])
      assert.equal(result.code, 78)
      assert.match(result.stderr, /skynet\.conf:4: /)
      assertUnseen(result.stdout + result.stderr, `config check of the line ${line}`)
    }
  })

  test('is in no core file: no memory of the daemon is written into one', async () => {
    sandbox.writeConfig(sections())
    const daemon = sandbox.startDaemon()
    await daemon.waitForLog('leading', { timeoutMs: 30_000 })
    assert.equal(Number.parseInt(readFileSync(`/proc/${daemon.pid}/coredump_filter`, 'utf8'), 16), 0)
    daemon.kill('SIGTERM')
    await daemon.exited
  })

  test('is not left behind by --daemon, whose words go through a file', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'skynet-password-'))
    try {
      sandbox.folder.own(scratch)
      sandbox.writeConfig(sections({ database: { ...sandbox.databaseSection(), passwd: `${PASSWORD}x` } }))
      const result = await sandbox.skynet(['queued', '--daemon', '--no-standby'], { TMPDIR: scratch })
      assert.equal(result.code, 78)
      assert.match(result.stderr, /wrong user or password/)
      assertUnseen(result.stdout + result.stderr, 'words of --daemon')
      assert.deepEqual(readdirSync(scratch), [])
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
})

/** No word of the password is in the text, nor in any text that a value holds. */
function assertUnseen(value: unknown, where: string): void {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  for (const word of WORDS) assert.ok(!text.includes(word), `a word of the password is in ${where}`)
}

interface SeenProcess {
  pid: number
  cmdline: string
  environ: string
}

/** Every process of this machine that we may look into; one that ends meanwhile is left out. */
function allCommandLines(): SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const read = (file: string): string => {
        try {
          return readFileSync(`/proc/${name}/${file}`, 'utf8')
        } catch {
          return ''
        }
      }
      return [{ pid: Number(name), cmdline: read('cmdline').replaceAll('\0', ' '), environ: read('environ') }]
    })
}

function processesOf(home: string): SeenProcess[] {
  return allCommandLines().filter(({ environ }) => environ.includes(`HOME=${home}`))
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}
