import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readPrivateFile } from '../../src/config/permissions.js'
import { configFolder, DATABASE } from './config-folder.js'

const UID = process.geteuid?.() ?? -1

for (const mode of [0o640, 0o604, 0o660, 0o622, 0o601]) {
  test(`a file of mode ${mode.toString(8)} is refused with the command that mends it`, async (t) => {
    const folder = configFolder(t, { 'skynet.conf': DATABASE })
    chmodSync(folder.file, mode)
    const line = `skynet.conf: has mode 0${mode.toString(8)}, which lets other users in; mend: chmod 600 skynet.conf`
    assert.deepEqual(await folder.faults(), [line])
    await assert.rejects(folder.load(), { code: 'CONFIG_UNSAFE' })
    chmodSync(folder.file, 0o600)
    await folder.load()
  })
}

for (const mode of [0o755, 0o710, 0o702]) {
  test(`a folder of mode ${mode.toString(8)} is refused once, though two files lie in it`, async (t) => {
    const folder = configFolder(t, { 'skynet.conf': DATABASE, 'local.skynet.conf': '[log]\n' })
    chmodSync(folder.path, mode)
    assert.deepEqual(await folder.faults(), [
      `skynet.conf: its folder ${folder.path} has mode 0${mode.toString(8)}, which lets other users in; mend: chmod 700 ${folder.path}`,
    ])
  })
}

test('the local file is held to the same', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE, 'local.skynet.conf': '[log]\n' })
  chmodSync(folder.localFile, 0o644)
  assert.match((await folder.faults())[0] ?? '', /^local\.skynet\.conf: has mode 0644/)
})

test('read-only is fine', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  chmodSync(folder.file, 0o400)
  await folder.load()
})

test('a file of another user is refused: for a user with chown, for root with sudo -u', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const foreign = await folder.faults({ uid: UID + 1 })
  assert.equal(
    foreign[0],
    `skynet.conf: belongs to user id ${UID}, but Skynet runs as user id ${UID + 1}; mend: sudo chown ${UID + 1} skynet.conf`,
  )
  assert.match(foreign[1] ?? '', /its folder .* belongs to user id/)
  if (UID === 0) chownSync(folder.file, 12345, 12345)
  const owner = UID === 0 ? 12345 : UID
  assert.match((await folder.faults({ uid: 0 }))[0] ?? '', new RegExp(`sudo -u '#${owner}' skynet .* chown 0 `))
})

test('a folder, a named pipe and a path through a file are clear errors, and a pipe does not hold the reader', async (t) => {
  const folder = configFolder(t, { 'local.skynet.conf': '[log]\n' })
  mkdirSync(folder.file, 0o700)
  assert.deepEqual(await folder.faults(), ['skynet.conf: is a folder'])
  execFileSync('mkfifo', ['-m', '600', join(folder.path, 'pipe')])
  assert.deepEqual(await folder.faults({ file: join(folder.path, 'pipe') }), ['pipe: is not a file'])
  const through = await folder.faults({ file: join(folder.localFile, 'skynet.conf') })
  assert.match(through[0] ?? '', /cannot be read: ENOTDIR/)
})

test('a command for a path with odd characters can be pasted into a shell', async (t) => {
  const folder = configFolder(t)
  const file = folder.write("it's $HOME.conf", DATABASE)
  chmodSync(file, 0o644)
  const command = (await folder.faults({ file }))[0]?.split('mend: ')[1]?.replace("'", `'${folder.path}/`) ?? ''
  execFileSync('sh', ['-c', command.includes(folder.path) ? command : `cd '${folder.path}' && ${command}`])
  assert.deepEqual(await folder.faults({ file }), [])
})

/** Root may read everything: as another user, which only root can become. All that runs meanwhile is synchronous. */
function unprivileged<T>(act: () => T): T {
  if (UID !== 0) return act()
  process.seteuid?.(65_534)
  try {
    assert.notEqual(process.geteuid?.(), 0)
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

test('a file that its own user may not read, or in a folder he may not enter, names the mode or asks for the user', (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const uid = UID === 0 ? 65_534 : UID
  if (UID === 0) for (const path of [folder.path, folder.file]) chownSync(path, uid, uid)
  chmodSync(folder.file, 0)
  assert.deepEqual(
    unprivileged(() => readPrivateFile(folder.file, uid)),
    { state: 'unreadable', fault: `cannot be read: its mode is 0000; mend: chmod 600 ${folder.file}` },
  )
  chmodSync(folder.path, 0)
  try {
    assert.deepEqual(
      unprivileged(() => readPrivateFile(folder.file, uid)),
      { state: 'unreadable', fault: `cannot be read by user id ${uid}: permission denied; is this the right user?` },
    )
  } finally {
    chmodSync(folder.path, 0o700)
  }
})
