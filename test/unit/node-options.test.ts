import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { NODE_OPTIONS } from '../../src/config/node-options.js'
import { packageFolder } from '../../src/config/package-folder.js'

const options = NODE_OPTIONS.join(' ')

test('Node knows the options that a daemon is started with.', () => {
  const { status, stderr } = spawnSync(process.execPath, [...NODE_OPTIONS, '-e', '0'], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
})

test('Node knows the flags by which a daemon keeps little compiled code, and says nothing of them.', () => {
  const file = join(packageFolder(), 'dist/daemon/compiled-code.js')
  const text = `require(${JSON.stringify(file)}).keepLittleCode()`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', text], { encoding: 'utf8' })
  assert.deepEqual([status, stdout, stderr], [0, '', ''])
})

test('The program itself and every shipped unit start Node with them.', () => {
  const [first] = readFileSync(join(packageFolder(), 'src/main.ts'), 'utf8').split('\n')
  assert.equal(first, `#!/usr/bin/env -S node ${options}`)
  const units = readdirSync(join(packageFolder(), 'supervisor')).filter((name) => /\.(conf|service)$/.test(name))
  const commands = units.flatMap((name) => {
    const text = readFileSync(join(packageFolder(), 'supervisor', name), 'utf8')
    return text.match(/^;?(command|ExecStart)=.*$/gm) ?? []
  })
  assert.equal(commands.length, units.length + 1, 'one each, and a second one in the example of BOA')
  for (const command of commands)
    assert.match(command, new RegExp(`=/usr/bin/node ${options} /usr/local/bin/skynet queued`))
})
