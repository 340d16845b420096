import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { describeConfig } from '../../src/config/describe-schema.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { Sandbox } from '../sandbox/sandbox.js'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

interface Shown {
  file: string
  config: Record<string, Record<string, { value: unknown; origin: string }>>
}

describe('skynet config', { timeout: 120_000 }, () => {
  let sandbox: Sandbox
  let file: string
  let localFile: string

  before(async () => {
    sandbox = await Sandbox.create()
    file = join(sandbox.configFolder, 'skynet.conf')
    localFile = join(sandbox.configFolder, 'local.skynet.conf')
  })
  beforeEach(() => {
    sandbox.writeConfig({ queue: { concurrent_tasks: 2, settle: '2s' }, log: { level: 'warn' } })
    sandbox.writeConfig({ queue: { settle: '3s' }, log: { level: 'error' } }, { file: 'local.skynet.conf' })
  })
  after(() => sandbox.close())

  const show = async (env: Record<string, string> = {}): Promise<Shown> => {
    const { stdout, stderr, code } = await sandbox.skynet(['config', 'show', '--json'], env)
    assert.equal(code, 0, stderr)
    assertFitsSchema('config-show', JSON.parse(stdout))
    return JSON.parse(stdout) as Shown
  }

  test('check names the files that it found right, and exits 0', async () => {
    const { stdout, stderr, code } = await sandbox.skynet(['config', 'check'])
    assert.deepEqual([stdout, stderr, code], [`The configuration is right: ${file}, ${localFile}\n`, '', 0])
  })

  test('check --json is one object, right or wrong, and the exit status says which', async () => {
    const right = await sandbox.skynet(['config', 'check', '--json'])
    assert.deepEqual(JSON.parse(right.stdout), { ok: true, file, files: [file, localFile], faults: [] })
    assertFitsSchema('config-check', JSON.parse(right.stdout))
    assert.equal(right.code, 0)
    sandbox.writeConfig({ queue: { settle: 'soon' } }, { file: 'local.skynet.conf' })
    const wrong = await sandbox.skynet(['config', 'check', '--json'])
    const { ok, code, faults } = JSON.parse(wrong.stdout) as { ok: boolean; code: string; faults: { at: string }[] }
    assert.deepEqual([ok, code, faults.map(({ at }) => at)], [false, 'CONFIG_INVALID', [`${localFile}:2`]])
    assertFitsSchema('config-check', JSON.parse(wrong.stdout))
    assert.equal(wrong.code, 78)
    assert.equal(wrong.stderr, '')
  })

  test('check reads the file that --config_file names', async () => {
    const other = sandbox.writeConfig({ queue: { concurrent_tasks: 7 } }, { file: 'other.conf' })
    const { stderr, code } = await sandbox.skynet(['config', 'check', '--config_file', other])
    assert.equal(code, 78)
    assert.match(stderr, /other\.conf: \[database\] db/)
  })

  test('show gives each value with its origin: flag, environment, local file, file, default', async () => {
    const { config } = await show({ SKYNET_LOG_LEVEL: 'debug' })
    const origins = Object.entries(config['queue'] ?? {}).map(([key, { value, origin }]) => [key, value, origin])
    const lineOf = (key: string): number => {
      const text = readFileSync(file, 'utf8').split('\n')
      return text.findIndex((line) => line.startsWith(`${key} =`)) + 1
    }
    assert.deepEqual(config['log']?.['level'], { value: 'debug', origin: 'environment SKYNET_LOG_LEVEL' })
    assert.deepEqual(origins.slice(0, 3), [
      ['concurrent_tasks', 2, `${file}:${lineOf('concurrent_tasks')}`],
      ['poll_interval', 500, 'default'],
      ['settle', 3000, `${localFile}:2`],
    ])
  })

  test('show in words has every key that --json has, in the form of the file, and no escape codes', async () => {
    const { config } = await show()
    const { stdout, code } = await sandbox.skynet(['config', 'show'])
    assert.equal(code, 0)
    for (const [section, keys] of Object.entries(config)) {
      const names = Object.keys(keys)
      if (names.length > 0) assert.match(stdout, new RegExp(`^\\[${section}\\]$`, 'm'))
      for (const key of names) assert.match(stdout, new RegExp(`^${key} = \\S.*\\(.*\\)$`, 'm'))
    }
    assert.match(stdout, /^settle = 3s .*local\.skynet\.conf:2\)$/m)
    assert.ok(!stdout.includes('\u001b'))
  })

  test('the README names every key with its default and its help', () => {
    const readme = readFileSync(join(CHECKOUT, 'README.md'), 'utf8')
    const rows = describeConfig().flatMap(({ name: section, help: sectionHelp, keys, free }) => [
      ...keys.map(({ name, fallback, help }) => {
        const shown = fallback === undefined ? 'must be given' : `\`${fallback}\``
        return `| \`${section}.${name}\` | ${shown} | ${help} |`
      }),
      ...(free === undefined ? [] : [`| \`${section}.*\` |  | ${sectionHelp} |`]),
    ])
    const written = readme.split('\n').filter((line) => /^\| `[a-z]+\.[a-z_*]+` \|/.test(line))
    assert.deepEqual(written, rows)
  })

  test('config.example.ini, with all its keys set as it shows them, is right and says what is the default anyway', async () => {
    const example = readFileSync(join(CHECKOUT, 'config.example.ini'), 'utf8')
    const known = describeConfig().flatMap(({ keys }) => keys.map(({ name }) => name))
    // Names that are free, of schedules and locks, have no default: there the file shows an example.
    const set = example.replaceAll(/^; ([\w-]+)( = )/gm, (line, key: string, equals: string) =>
      known.includes(key) ? key + equals : line,
    )
    sandbox.folder.writeFile('home/config/skynet/example.conf', set, 0o600)
    const args = ['--json', '--config_file', join(sandbox.configFolder, 'example.conf')]
    sandbox.folder.writeFile('home/config/skynet/local.skynet.conf', '; nothing\n', 0o600)
    const { stdout, stderr, code } = await sandbox.skynet(['config', 'show', ...args])
    assert.equal(code, 0, stderr)
    const asSet = JSON.parse(stdout) as Shown
    sandbox.folder.writeFile(
      'home/config/skynet/bare.conf',
      '[database]\ndb = hostmaster\nuser = hostmaster\npasswd = secret\n',
      0o600,
    )
    const bare = await sandbox.skynet(['config', 'show', '--json', '-c', join(sandbox.configFolder, 'bare.conf')])
    const asDefault = JSON.parse(bare.stdout) as Shown
    assert.deepEqual(valuesOf(asSet), valuesOf(asDefault))
  })
})

function valuesOf({ config }: Shown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([section, keys]) =>
      Object.entries(keys).map(([key, { value }]) => [`${section}.${key}`, value]),
    ),
  )
}
