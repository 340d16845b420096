import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { configure } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

let sandbox: Sandbox

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
})
after(() => sandbox.close())

const ONE_MESSAGE = /^skynet: (?![^]*\n {4}at )/

test('a path at which no configuration can even be looked for is a bad configuration, not a crash', async () => {
  const file = join(sandbox.configFolder, 'skynet.conf', 'below-a-file')
  const { stderr, code } = await sandbox.skynet(['queued', '-c', file])
  assert.match(stderr, ONE_MESSAGE)
  assert.match(stderr, /below-a-file/)
  assert.equal(code, 78)
})

test('a log file that cannot be opened is told of before anything is done', async () => {
  const file = join(sandbox.home, 'no-such-folder', 'skynet.log')
  const { stderr, code } = await sandbox.skynet(['queued', '--once', '--set', `log.file=${file}`])
  assert.match(stderr, ONE_MESSAGE)
  assert.match(stderr, /The log file \S+\/no-such-folder\/skynet\.log cannot be opened: ENOENT/)
  assert.equal(code, 78)
})

for (const args of ['--version', '--help', 'config show']) {
  test(`skynet ${args} to a full disk says so in one line, and fails`, async () => {
    const { stderr, code } = await sandbox.run('sh', ['-c', `"$0" "$1" ${args} > /dev/full`, process.execPath, MAIN])
    assert.equal(stderr, 'skynet: the answer cannot be written: ENOSPC: no space left on device, write\n')
    assert.equal(code, 1)
  })
}
