import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const php = ['-d', 'error_reporting=-1', '-d', 'display_errors=stderr']

/** Runs a program to its end; a program that is missing is a failure, as the module would go untested. */
function run(program: string, args: string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', input, timeout: 120_000 })
  if (result.error) assert.fail(`${program} cannot be run: ${result.error.message}`)
  return result
}

/** Every PHP file of the module and of its tests. */
function phpFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(php|inc|module|install)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

function temporaryFolder(t: { after(done: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'skynet-module-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

interface Notified {
  registered: boolean
  told: boolean
  ms: number
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output
}

/** Saves a queued task through the module's own hooks, beside an event loop that goes on. */
async function notify(socket: string, options: { cwd?: string; uid?: number; gid?: number } = {}): Promise<Notified> {
  const child = spawn('php', [...php, 'test/module/notify.php', socket], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  const output = await outputOf(child)
  assert.match(output, /^\{.*\}\n$/, output)
  return JSON.parse(output) as Notified
}

test('every file of the Drupal module is valid PHP', () => {
  const files = [...phpFiles('drupal-module'), ...phpFiles('test/module')]
  assert.ok(files.length > 10, `only ${String(files.length)} files were found`)
  for (const file of files) {
    const result = run('php', [...php, '-l', file])
    assert.equal(result.status, 0, result.stdout + result.stderr)
    assert.equal(result.stderr, '')
  }
})

test('the tests of the Drupal module pass without a notice or a deprecation', () => {
  const result = run('phpunit', ['--configuration', 'test/module/phpunit.xml'])
  assert.equal(result.status, 0, result.stdout + result.stderr)
  assert.match(result.stdout, /^OK \(\d{3,} tests, \d+ assertions\)$/m)
})

test('what runs on every version of PHP runs on this one', () => {
  const result = run('php', ['test/module/portable.php'])
  assert.equal(result.status, 0, result.stdout + result.stderr)
  assert.match(result.stdout, /^ok \d/)
})

test('a file that the module writes is closed to others, refused with a line break, and left alone when it is right', (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'skynet', 'skynet.conf')
  const credentials = {
    db_host: 'localhost',
    db_port: 33306,
    db_name: 'aegir',
    db_user: 'aegir',
    db_passwd: ' ;#%="\'\\$ü ',
  }
  const write = (values: object): string =>
    run('php', [...php, 'test/module/write-config.php', file], JSON.stringify(values)).stdout
  assert.equal(write(credentials), 'written\n')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(join(folder, 'skynet')).mode & 0o777, 0o700)
  const before = statSync(file, { bigint: true })
  assert.equal(write(credentials), 'unchanged\n')
  assert.equal(statSync(file, { bigint: true }).ctimeNs, before.ctimeNs)
  assert.match(write({ ...credentials, db_passwd: 'a\nb' }), /^refused: the value of passwd holds a line break/)
  const passwd = /^passwd = (".*")$/m.exec(readFileSync(file, 'utf8'))
  assert.equal(JSON.parse(passwd?.[1] ?? '""'), credentials.db_passwd)
})

test('a task that is saved as queued puts one byte on the wake socket', async (t) => {
  const path = join(temporaryFolder(t), 'wake')
  const server = createServer()
  t.after(() => server.close())
  let bytes = 0
  server.on('connection', (socket) => {
    socket.on('data', (data) => (bytes += data.length)).on('error', () => undefined)
  })
  server.listen(path)
  await once(server, 'listening')
  const connection = once(server, 'connection')
  const result = await notify(path)
  assert.deepEqual([result.registered, result.told], [true, true])
  const [socket] = (await connection) as [Socket]
  if (!socket.readableEnded) await once(socket, 'end')
  assert.equal(bytes, 1)
})

test('a wake socket that is missing or refuses costs the save no time', async (t) => {
  const folder = temporaryFolder(t)
  for (const path of [join(folder, 'missing'), folder, `/${'x'.repeat(300)}`, '']) {
    const result = await notify(path)
    assert.deepEqual([result.registered, result.told], [true, false])
    assert.ok(result.ms < 50, `${path} took ${String(result.ms)} ms`)
  }
})

test('a wake socket that may not be reached costs the save no time', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'wake')
  const server = createServer()
  t.after(() => server.close())
  let connections = 0
  server.on('connection', () => connections++)
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, 0o000)
  // root may reach every socket: another user then, with a copy that this user can read.
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const copy = join(folder, 'copy')
  for (const part of ['drupal-module', 'test/module']) cpSync(join(root, part), join(copy, part), { recursive: true })
  for (const entry of readdirSync(copy, { recursive: true, encoding: 'utf8' })) chmodSync(join(copy, entry), 0o755)
  for (const part of [folder, copy]) chmodSync(part, 0o755)
  const result = await notify(path, { cwd: copy, ...user })
  assert.deepEqual([result.registered, result.told, connections], [true, false, 0])
  assert.ok(result.ms < 50, `it took ${String(result.ms)} ms`)
})
