import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSafeToInterrupt } from '../../src/scheduler/interruption.js'

test('what can be run again is safe to interrupt; what leaves something half done, or is not known, is not', () => {
  for (const type of ['verify', 'backup', 'login-reset', 'enable']) assert.ok(isSafeToInterrupt(type, 'site'), type)
  for (const type of ['install', 'migrate', 'clone', 'restore', 'delete', 'update', 'sync', 'my_type', '']) {
    assert.ok(!isSafeToInterrupt(type, 'site'), type)
  }
  assert.ok(isSafeToInterrupt('delete', 'platform'))
  assert.ok(!isSafeToInterrupt('backup', 'platform'))
  assert.ok(isSafeToInterrupt('verify', 'server'))
  assert.ok(!isSafeToInterrupt('verify', 'unknown'))
})
