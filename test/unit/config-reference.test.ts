import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { describeConfig } from '../../src/config/describe-schema.js'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/quantity.js'
import { renderReference } from '../../src/config/reference.js'
import { configFolder, DATABASE } from './config-folder.js'

const example = readFileSync(new URL('../../config.example.ini', import.meta.url), 'utf8')
const environment = { SKYNET_DATABASE_DB: 'd', SKYNET_DATABASE_USER: 'u', SKYNET_DATABASE_PASSWD: 'p' }

test('config.example.ini is what the schema renders', () => {
  assert.equal(example, renderReference())
})

test('config.example.ini is valid as it is, and changes nothing', async (t) => {
  const { config } = await configFolder(t, { 'skynet.conf': example }).load({ environment })
  const { config: defaults } = await configFolder(t).load({ environment })
  assert.deepEqual(config, defaults)
})

test('config.example.ini with every key uncommented gives the same, with the examples', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': example.replaceAll(/^; ([a-z][a-z_-]* = )/gm, '$1') })
  const { config, origins } = await folder.load()
  const { config: defaults } = await configFolder(t).load({ environment })
  assert.deepEqual(config, {
    ...defaults,
    database: { ...defaults.database, db: 'hostmaster', user: 'hostmaster', passwd: 'secret' },
    locks: { my_type: ['site', 'platform'] },
    schedule: { 'hosting-dispatch': '* * * * *' },
    timeouts: { verify: 7_200_000 },
  })
  assert.ok(![...origins.values()].includes('default'))
})

test('every section and key has help that is a sentence, and one that is no default of its own must be given', () => {
  const sections = describeConfig()
  const helps = sections.flatMap(({ help, keys }) => [help, ...keys.map((key) => key.help)])
  for (const help of helps) assert.match(help, /^[A-Z].*\.$|^pretty .*\.$/)
  const required = sections.flatMap(({ keys }) => keys.filter(({ fallback }) => fallback === undefined))
  assert.deepEqual(
    required.map(({ name }) => name),
    ['db', 'user', 'passwd'],
  )
})

test('a key whose number has a unit says so, for it to be shown as it is written', async (t) => {
  const { config } = await configFolder(t, { 'skynet.conf': DATABASE }).load()
  for (const { name: section, keys } of describeConfig()) {
    for (const { name, fallback, unit } of keys) {
      const value: unknown = (config as Record<string, Record<string, unknown>>)[section]?.[name]
      const hasUnit = /^\d+[a-zA-Z]+$/.test(fallback ?? '') || name === 'timeout'
      assert.equal(unit !== undefined, hasUnit, name)
      if (unit === 'duration' && value !== null) assert.equal(parseDuration(fallback ?? ''), value)
      if (unit === 'size') assert.equal(parseSize(fallback ?? ''), value)
    }
  }
})

test('durations and sizes are read and written', () => {
  const durations = { '0s': 0, '1ms': 1, '1500ms': 1500, '90s': 90_000, '1h': 3_600_000, '14d': 1_209_600_000 }
  for (const [text, value] of Object.entries(durations)) {
    assert.equal(parseDuration(text), value)
    assert.equal(formatDuration(value), text)
  }
  const sizes = { '0': 0, '1': 1, '1025': 1025, '64K': 65_536, '16M': 16_777_216, '1G': 1_073_741_824 }
  for (const [text, value] of Object.entries(sizes)) {
    assert.equal(parseSize(text), value)
    assert.equal(formatSize(value), text)
  }
  for (const text of [
    '',
    '5',
    '-1s',
    '1 h 5 m',
    '1H',
    '1e3s',
    's',
    '1constructor',
    '9'.repeat(400),
    '999999999999999d',
  ]) {
    assert.equal(parseDuration(text), null, text)
  }
  for (const text of ['', '1k', '1KB', '1.K', '0x10', '-1']) assert.equal(parseSize(text), null, text)
})
