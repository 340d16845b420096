import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isPhpTrue, readPhpScalar, type PhpScalar } from '../../src/hostmaster/php-value.js'
import { readVariables } from '../../src/hostmaster/variables.js'

/** Serialised form, its value, and whether PHP takes that for true. */
const SCALARS: [string, PhpScalar, boolean][] = [
  ['i:1;', 1, true],
  ['i:0;', 0, false],
  ['i:-1;', -1, true],
  ['b:1;', true, true],
  ['b:0;', false, false],
  ['d:1;', 1, true],
  ['d:0.5;', 0.5, true],
  ['d:0;', 0, false],
  ['s:1:"1";', '1', true],
  ['s:1:"0";', '0', false],
  ['s:0:"";', '', false],
  ['s:3:"0.0";', '0.0', true],
  ['s:5:"FALSE";', 'FALSE', true],
  ['s:4:"ü€";', 'ü€', true],
  ['N;', null, false],
]

describe('a variable of Drupal’s', () => {
  for (const [serialised, value, isTrue] of SCALARS) {
    const actual = serialised === 's:4:"ü€";' ? `s:${Buffer.byteLength('ü€')}:"ü€";` : serialised
    test(`${actual} is ${JSON.stringify(value)}, which PHP takes for ${String(isTrue)}`, () => {
      assert.equal(readPhpScalar(actual), value)
      assert.equal(isPhpTrue(readPhpScalar(actual)), isTrue)
    })
  }

  for (const garbage of [
    '',
    'i:',
    'i:x;',
    's:5:"abc";',
    's:99999999999:"a";',
    'yes',
    'a:1:{i:0;i:1;}',
    'O:8:"stdClass":0:{}',
    'C:1:"X":0:{}',
    'd:NAN;',
    '\u0000',
  ]) {
    test(`${JSON.stringify(garbage)} is none of its scalars, and not true`, () => {
      assert.equal(readPhpScalar(garbage), undefined)
      assert.equal(isPhpTrue(readPhpScalar(garbage)), false)
    })
  }

  test('is taken by its name, and one that is not asked for or that is garbage is left out', () => {
    const rows = [
      { name: 'hosting_queued_paused', value: 'i:1;' },
      { name: 'hosting_skynet_concurrent_tasks', value: 'garbage' },
      { name: '__proto__', value: 'i:1;' },
    ]
    assert.deepEqual(readVariables(rows), { hosting_queued_paused: 1 })
  })
})
