import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFingerprint } from '../../src/config/change-detection.js'
import { configFolder, DATABASE } from './config-folder.js'

test('the fingerprint stays while nothing happens, or happens to other files of the folder', (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const before = configFingerprint(folder.file)
  folder.write('other', 'x')
  mkdirSync(join(folder.path, 'state'))
  assert.equal(configFingerprint(folder.file), before)
})

test('each change of either file, its mode or the mode of the folder changes the fingerprint', (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const seen = new Set([configFingerprint(folder.file)])
  const changes: Record<string, () => void> = {
    'appended to': () => appendFileSync(folder.file, '; more\n'),
    'time set': () => utimesSync(folder.file, 1, 1),
    'replaced by one of the same size and time': () => {
      const next = folder.write('next', `${DATABASE}; MORE\n`)
      utimesSync(next, 1, 1)
      renameSync(next, folder.file)
    },
    'mode changed': () => chmodSync(folder.file, 0o640),
    'local file appears': () => void folder.write('local.skynet.conf', '[log]\n'),
    'local file written': () => writeFileSync(folder.localFile, '[log]\nlevel=debug\n'),
    'local file gone': () => rmSync(folder.localFile),
    'folder opened': () => chmodSync(folder.path, 0o755),
    'file gone': () => rmSync(folder.file),
    'now a link': () => symlinkSync(folder.write('real', DATABASE), folder.file),
    'target of the link written': () => writeFileSync(join(folder.path, 'real'), '[database]\n'),
    'folder gone': () => rmSync(folder.path, { recursive: true }),
  }
  for (const [name, change] of Object.entries(changes)) {
    change()
    const now = configFingerprint(folder.file)
    assert.ok(!seen.has(now) || name === 'local file gone', name)
    seen.add(now)
  }
  mkdirSync(folder.path)
})

test('what cannot be looked at has a fingerprint too', (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  assert.equal(typeof configFingerprint(join(folder.file, 'below', 'skynet.conf')), 'string')
  symlinkSync('skynet-loop', join(folder.path, 'skynet-loop'))
  assert.match(configFingerprint(join(folder.path, 'skynet-loop')), /ELOOP/)
})
