import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { configCheck } from '../../src/cli/config-check.js'
import { configShow } from '../../src/cli/config-show.js'
import { readIni } from '../../src/config/ini-file.js'
import { configFolder, DATABASE } from './config-folder.js'

type Verb = typeof configCheck

async function run(verb: Verb, options: Parameters<Verb>[0], environment: NodeJS.ProcessEnv = {}) {
  let out = ''
  let err = ''
  const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) }
  const status = await verb(options, { ...io, environment, home: '/home/aegir' })
  return { status, out, err }
}

test('config check says that all is right, naming the files that were read', async (t) => {
  const { file, localFile, write } = configFolder(t, { 'skynet.conf': DATABASE })
  assert.deepEqual(await run(configCheck, { file }), {
    status: 0,
    out: `The configuration is right: ${file}\n`,
    err: '',
  })
  write('local.skynet.conf', '[log]\n')
  const { out } = await run(configCheck, { file, json: true })
  assert.deepEqual(JSON.parse(out), { ok: true, file, files: [file, localFile], faults: [] })
})

for (const verb of [configCheck, configShow]) {
  test(`${verb.name} of a bad configuration says what is wrong and what to do, and ends with 78`, async (t) => {
    const { file } = configFolder(t, { 'skynet.conf': `${DATABASE}[log]\nlevel = loud\n` })
    const fault = '[log] level is "loud", but must be one of trace, debug, info, warn, error, fatal'
    const remedy = `Correct this, then see whether all is well: skynet config check --config_file ${file}`
    const words = await run(verb, { file })
    assert.deepEqual(words, { status: 78, out: '', err: `${file}:6: ${fault}\n\n${remedy}\n` })
    const { status, out, err } = await run(verb, { file, json: true })
    assert.deepEqual([status, err], [78, ''])
    const faults = [{ at: `${file}:6`, message: fault }]
    assert.deepEqual(JSON.parse(out), { ok: false, code: 'CONFIG_INVALID', faults, remedy })
  })
}

test('config check of a missing file ends with 78 and tells where the file comes from', async (t) => {
  const { file } = configFolder(t)
  const { status, err } = await run(configCheck, { file })
  assert.equal(status, 78)
  assert.match(err, /does not exist[^]*verify that site/)
})

test('config show gives every value as the file would have it, with its origin', async (t) => {
  const { file } = configFolder(t, {
    'skynet.conf': `${DATABASE}[queue]\npoll_interval = 0.5s\npaused = 1\n[schedule]\nhosting-cron = 0 * * * *\n`,
  })
  const { status, out } = await run(configShow, { file }, { SKYNET_DRUSH_COMMAND: '~/a#b' })
  assert.equal(status, 0)
  const lines = out.split('\n').map((line) => line.replace(/ {2,}/, '  '))
  for (const line of [
    'host = localhost  (default)',
    'socket = auto  (default)',
    `db = hm  (${file}:2)`,
    `passwd = ********  (${file}:4)`,
    `poll_interval = 500ms  (${file}:6)`,
    `paused = yes  (${file}:7)`,
    'command = "/home/aegir/a#b"  (environment SKYNET_DRUSH_COMMAND)',
    'timeout = none  (default)',
    `hosting-cron = 0 * * * *  (${file}:9)`,
    'keep_bytes = 1G  (default)',
  ]) {
    assert.ok(lines.includes(line), `${line} in\n${out}`)
  }
  assert.deepEqual(
    [...readIni(Buffer.from(out)).sections.keys()],
    ['database', 'queue', 'drush', 'log', 'limits', 'schedule', 'cron', 'state', 'wake', 'metrics', 'notify'],
  )
})

test('config show --json gives the values as the daemon uses them', async (t) => {
  const { file } = configFolder(t, { 'skynet.conf': DATABASE })
  const { out } = await run(configShow, { file, json: true, flags: { drush: { timeout: '8h' } } })
  const { config } = JSON.parse(out) as { config: Record<string, Record<string, unknown>> }
  assert.deepEqual(config['drush']?.['timeout'], { value: 28_800_000, origin: 'flag' })
  assert.deepEqual(config['database']?.['socket'], { value: null, origin: 'default' })
  assert.deepEqual(config['database']['passwd'], { value: '********', origin: `${file}:4` })
})

test('neither verb ever says anything of the password, nor how long it is', async (t) => {
  const outputs = new Set<string>()
  const { file, write } = configFolder(t)
  for (const passwd of ['""', '"hunter2"', `"${'hunter2'.repeat(9)}"`]) {
    write('skynet.conf', `[database]\ndb=d\nuser=u\npasswd=${passwd}\n`)
    for (const json of [false, true]) outputs.add((await run(configShow, { file, json })).out)
  }
  assert.equal(outputs.size, 2)
  for (const out of outputs) assert.doesNotMatch(out, /hunter2/)
})

test('config check tells of a log file for which there is no place, and makes none', async (t) => {
  const {
    file,
    path: folder,
    write,
  } = configFolder(t, { 'skynet.conf': `${DATABASE}[log]\nfile = /no/such/folder/skynet.log\n` })
  const { status, err } = await run(configCheck, { file })
  assert.equal(status, 78)
  assert.match(err, /skynet\.conf:6: \[log\] file cannot be opened: ENOENT.*\/no\/such\/folder/)
  write('skynet.conf', `${DATABASE}[log]\nfile = ${folder}\n`)
  assert.match((await run(configCheck, { file })).err, /\[log\] file is a folder/)
  write('skynet.conf', `${DATABASE}[log]\nfile = ${folder}/skynet.log\n`)
  assert.equal((await run(configCheck, { file })).status, 0)
  assert.equal(existsSync(`${folder}/skynet.log`), false)
})
