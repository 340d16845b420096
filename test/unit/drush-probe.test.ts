import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { probeDrush } from '../../src/runner/drush-probe.js'

let folder: string
before(() => (folder = mkdtempSync(join(tmpdir(), 'skynet-probe-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Longer than the kernel lets any string be that a program is given: no process can be made. */
const TOO_LONG = 'x'.repeat(200_000)

const surroundings = (more: NodeJS.ProcessEnv = {}) => ({
  home: '/',
  environment: { PATH: '/usr/bin:/bin', ...more },
  umask: 0o22,
})
const drush = (command: string) => ({ command, alias: '@hostmaster', nice: 0 })

/** A drush that does what the shell is told. */
function script(text: string) {
  const command = join(folder, 'drush')
  writeFileSync(command, `#!/bin/sh\n${text}\n`)
  chmodSync(command, 0o755)
  return drush(command)
}

test('a drush that does not exist does not work, nor one that no process can be made for; and why is said', async () => {
  assert.deepEqual(await probeDrush(drush('no-such-drush'), surroundings()), {
    works: false,
    reason: 'no-such-drush was not found in PATH; set [drush] command',
  })
  assert.deepEqual(await probeDrush(drush('true'), surroundings({ TOO_LONG })), {
    works: false,
    reason: 'true could not be started: spawn E2BIG',
  })
})

test('a drush that leaves a process behind, which keeps its output open, is believed when it has exited', async () => {
  const left = join(folder, 'left')
  const page = 'echo "Drush version : 8.4.12"; echo "Drupal bootstrap : Successful"'
  const health = await probeDrush(script(`setsid sleep 60 & echo $! > ${left}; ${page}`), surroundings())
  process.kill(Number(readFileSync(left, 'utf8')), 'SIGKILL')
  assert.deepEqual(health, { works: true, version: '8.4.12' })
})

test('a drush that does not end is killed, and does not work', async () => {
  assert.deepEqual(await probeDrush(script('sleep 20'), surroundings(), 200), {
    works: false,
    reason: 'drush status was still running after 0.2 s and was killed',
  })
})
