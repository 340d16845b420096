import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

describe('the package', { timeout: 240_000 }, () => {
  let sandbox: Sandbox
  /** Where it is installed: an empty prefix, readable by the sandbox's user. */
  let prefix: string
  let root: string
  let files: string[]

  before(async () => {
    sandbox = await Sandbox.create()
    await sandbox.hostmaster.hostmasterSite()
    const packed = sandbox.folder.makeFolder('packed')
    // Without its scripts: they would build dist/ anew under the tests that run beside this one.
    const [pack] = JSON.parse(npm(['pack', '--ignore-scripts', '--json', '--pack-destination', packed])) as {
      filename: string
      files: { path: string; mode: number }[]
    }[]
    assert.ok(pack)
    files = pack.files.map(({ path }) => path)
    prefix = sandbox.folder.makeFolder('prefix')
    const tarball = join(packed, pack.filename)
    npm(['install', '--global', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund', tarball], packed)
    root = join(prefix, 'lib/node_modules/skynet-queue')
  })
  after(() => sandbox.close())

  /** The installed `skynet`, as the sandbox's user. */
  const skynet = (args: string[], env: Record<string, string> = {}): Promise<CommandResult> =>
    sandbox.run(sandbox.install.node, [join(prefix, 'bin/skynet'), ...args], env)

  test('holds what a server needs, and nothing of the workshop', () => {
    for (const name of ['dist/main.js', 'config.example.ini', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
      assert.ok(files.includes(name), `${name} is missing`)
    }
    assert.ok(files.some((name) => name.startsWith('drupal-module/hosting_skynet/')))
    const strays = files.filter((name) =>
      /^(src\/(?!cli\/schemas\/)|test\/|\.ci\/)|^node_modules\/|\.(tgz|test\.js|log)$|tsconfig/.test(name),
    )
    assert.ok(files.includes('src/cli/schemas/status.schema.json'), 'the schemas of what --json prints')
    assert.deepEqual(strays, [])
  })

  test('says its version and its help from an empty prefix', async () => {
    const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string }
    assert.deepEqual(await skynet(['--version']), { stdout: `${version}\n`, stderr: '', code: 0, signal: null })
    const help = await skynet(['--help'])
    assert.equal(help.code, 0, help.stderr)
    for (const verb of ['queued', 'status', 'pause', 'resume', 'config']) assert.match(help.stdout, new RegExp(verb))
  })

  test('is run by its own first line', async () => {
    const PATH = `${dirname(sandbox.install.node)}:/usr/bin:/bin`
    const { stdout, stderr } = await sandbox.run(join(prefix, 'bin/skynet'), ['config', 'check', '-c', '/none'], {
      PATH,
    })
    assert.equal(stdout, '')
    assert.match(stderr, /^\/none: does not exist/)
  })

  test('helps with a verb below another one as that one itself does', async () => {
    const help = await skynet(['help', 'config', 'check'])
    assert.deepEqual(help, await skynet(['config', 'check', '--help']))
    assert.match(help.stdout, /^Usage: skynet config check /)
  })

  test('every verb has a help that ends with an example', async () => {
    const verbs = await verbsOf([])
    for (const verb of ['queued', 'status', 'plan', 'doctor', 'setup']) assert.ok(verbs.includes(verb), verb)
    for (const verb of verbs) {
      const below = await verbsOf([verb])
      for (const words of below.length > 0 ? below.map((word) => [verb, word]) : [[verb]]) {
        const help = await skynet([...words, '--help'])
        assert.equal(help.code, 0, help.stderr)
        assert.match(help.stdout, /^Examples?:\n {2}\S/m, words.join(' '))
        for (const line of help.stdout.split('\n')) assert.ok(line.length <= 80, `wider than a terminal: ${line}`)
      }
    }
  })

  /** The verbs that a help names, without `help` itself. */
  async function verbsOf(words: string[]): Promise<string[]> {
    const { stdout } = await skynet([...words, '--help'])
    const groups = stdout.matchAll(/^(?:Commands|The daemon|Look|Act|Install):\n((?: {2}.*\n?)*)/gm)
    const commands = [...groups].map(([, lines]) => lines ?? '').join('')
    return [...commands.matchAll(/^ {2}([a-z][\w-]*)/gm)].flatMap(([, verb]) => (verb && verb !== 'help' ? [verb] : []))
  }

  test('says nothing of a reader that has gone away', async () => {
    const command = `"$1" "$2" --help | true; "$1" "$2" --help | head -n 1`
    const words = ['-c', command, 'sh', sandbox.install.node, join(prefix, 'bin/skynet')]
    const { stdout, stderr } = await sandbox.run('sh', words)
    assert.deepEqual([stdout, stderr], ['Usage: skynet [options] [command]\n', ''])
  })

  test('checks a configuration and drains a queue', async () => {
    sandbox.writeConfig({ queue: { max_load: 1000 } })
    const check = await skynet(['config', 'check'])
    assert.equal(check.code, 0, check.stderr)
    assert.match(check.stdout, /^The configuration is right: .*skynet\.conf\n$/)
    const server = await sandbox.hostmaster.server()
    const tasks = []
    for (const sandbox_ms of ['50', '20']) {
      tasks.push(await sandbox.hostmaster.queueTask({ object: server, type: 'verify', arguments: { sandbox_ms } }))
    }
    const drain = await skynet(['queued', '--once'])
    assert.equal(drain.code, 0, drain.stderr)
    for (const { nid } of tasks) {
      assert.equal(await sandbox.hostmaster.currentStatus(nid), 1)
      assert.equal(sandbox.journalFile.of('start', nid).length, 1)
    }
  })

  test('loads no database driver for --version and for --help, as it does for the daemon', async () => {
    const driver = /node_modules\/mysql2\//
    assert.deepEqual(
      (await scriptsLoadedBy(['--version'])).filter((url) => driver.test(url)),
      [],
    )
    assert.deepEqual(
      (await scriptsLoadedBy(['--help'])).filter((url) => driver.test(url)),
      [],
    )
    assert.notDeepEqual(
      (await scriptsLoadedBy(['queued', '--once'])).filter((url) => driver.test(url)),
      [],
    )
  })

  test('exports the configuration and the scheduler with their types', () => {
    const consumer = sandbox.folder.makeFolder('consumer')
    mkdirSync(join(consumer, 'node_modules'))
    symlinkSync(root, join(consumer, 'node_modules/skynet-queue'))
    writeFileSync(join(consumer, 'package.json'), '{"type": "module"}')
    writeFileSync(
      join(consumer, 'use.ts'),
      `import { configSchema, type Config } from 'skynet-queue/config'
import { startNow } from 'skynet-queue/scheduler'
const schema = configSchema({ home: '/var/aegir', cores: 2, isCron: () => true })
const read = schema['~standard'].validate({ database: { db: 'a', user: 'b', passwd: 'c' } })
if (read instanceof Promise || read.issues) throw new Error('refused')
const config: Config = read.value
const slots: number = config.queue.concurrent_tasks
// @ts-expect-error A number is no text: the types are there, and are not \`any\`.
const wrong: string = config.queue.concurrent_tasks
// @ts-expect-error Nor is the scheduler's input.
export const planned = () => startNow('wrong')
process.stdout.write(\`\${slots} \${wrong} \${typeof startNow}\\n\`)
`,
    )
    // Our own declarations come out of the compiler; to check those of the libraries takes it a quarter of a minute.
    const types = [
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--strict',
      '--typeRoots',
      join(CHECKOUT, 'node_modules/@types'),
    ]
    const tsc = join(CHECKOUT, 'node_modules/typescript/bin/tsc')
    const compiled = spawnSync(process.execPath, [tsc, ...types, '--types', 'node', 'use.ts'], {
      cwd: consumer,
      encoding: 'utf8',
    })
    assert.equal(compiled.status, 0, compiled.stdout)
    const used = spawnSync(process.execPath, ['use.js'], { cwd: consumer, encoding: 'utf8' })
    assert.equal(used.stdout, '1 1 function\n', used.stderr)
    const hidden = spawnSync(process.execPath, ['-e', "import('skynet-queue/daemon')"], { cwd: consumer })
    assert.match(hidden.stderr.toString(), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })

  /** By V8's own account of what it has run, whichever way it was loaded. */
  async function scriptsLoadedBy(args: string[]): Promise<string[]> {
    const folder = mkdtempSync(join(sandbox.folder.path, 'coverage-'))
    chmodSync(folder, 0o777)
    const { code } = await skynet(args, { NODE_V8_COVERAGE: folder })
    assert.equal(code, 0)
    const scripts = readdirSync(folder).flatMap((name) => {
      const report = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] }
      return report.result.map(({ url }) => url)
    })
    assert.ok(
      scripts.some((url) => url.endsWith('/skynet-queue/dist/main.js')),
      'the account is of this program',
    )
    return scripts
  }
})

function npm(args: string[], cwd = CHECKOUT): string {
  const { NPM_EXTRA_CA_CERTS: bundle } = process.env
  const env = { ...process.env, ...(bundle !== undefined && { NODE_EXTRA_CA_CERTS: bundle }) }
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
}
