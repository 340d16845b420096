import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import { assertFitsSchema, parseLines } from '../sandbox/json-schema.js'

const task = {
  nid: 130,
  vid: 136,
  type: 'verify',
  rid: 9,
  object: 'blog.example.com',
  status: 'success',
  state: 'success',
  queued_at: 1_795_000_000_000,
  started_at: 1_795_000_001_000,
  waited_ms: 1000,
  took_ms: 2000,
}

describe('the schemas of what --json prints', () => {
  test('can be compiled, each of them, strictly', () => {
    for (const file of readdirSync(new URL('../../src/cli/schemas/', import.meta.url))) {
      // Nothing that a verb prints is a number: what is tested is the schema itself.
      assert.throws(() => assertFitsSchema(file.replace('.schema.json', ''), 1), assert.AssertionError, file)
    }
  })

  test('tell a field that is missing, new or of another type', () => {
    assertFitsSchema('tasks', task)
    const { state, ...without } = task
    assert.throws(() => assertFitsSchema('tasks', without), /must have required property 'state'/, state)
    assert.throws(() => assertFitsSchema('tasks', { ...task, more: 1 }), /additional properties/)
    assert.throws(() => assertFitsSchema('tasks', { ...task, nid: '130' }), /nid must be integer/)
  })

  test('hold for each line of a verb that prints one object a line', () => {
    assert.deepEqual(parseLines('tasks', `${JSON.stringify(task)}\n${JSON.stringify(task)}\n`), [task, task])
    assert.throws(() => parseLines('tasks', '{}\n'), /required property/)
    assert.deepEqual(parseLines('tasks', ''), [])
  })
})
