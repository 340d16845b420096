import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import {
  PATIENCE_MS,
  configure,
  linesOf,
  readStatus,
  startLeader,
  stopDaemon,
  waitForStatusOf,
} from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'

const VARIABLE = 'hosting_queued_paused'

/** Every form in which the variable was seen, or in which PHP's serialize() writes a scalar. */
const PAUSING = ['i:1;', 'b:1;', 's:1:"1";', 'd:1;', 's:4:"TRUE";']
const RESUMING = ['i:0;', 'b:0;', 's:1:"0";', 's:0:"";', 'N;', 'absent']

let sandbox: Sandbox
let site: number
let daemon: DaemonProcess

before(async () => {
  sandbox = await Sandbox.create()
  configure(sandbox)
  site = (await sandbox.hostmaster.hostmasterSite()).site
  daemon = await startLeader(sandbox)
})
after(() => sandbox.close())

function queue(): Promise<{ nid: number; vid: number }> {
  return sandbox.hostmaster.queueTask({ object: site, type: 'verify' })
}

function counts(of = daemon): { paused: number; resumed: number } {
  return { paused: linesOf(of, 'queue is paused').length, resumed: linesOf(of, 'queue is resumed').length }
}

/** Waits until the daemon has seen what the database says by now. */
async function seen(count: number): Promise<void> {
  await waitForStatusOf(sandbox, `${count} waiting`, ({ waiting }) => waiting.count === count)
}

async function setVariable(form: string): Promise<void> {
  if (form === 'absent') await sandbox.hostmaster.deleteVariable(VARIABLE)
  else await sandbox.hostmaster.setVariable(VARIABLE, form)
}

describe('the variable hosting_queued_paused', () => {
  for (const [index, form] of PAUSING.entries()) {
    const off = RESUMING[index] ?? 'absent'
    test(`as ${form} pauses, as ${off} resumes, each logged once`, async () => {
      const before = counts()
      await setVariable(form)
      await sandbox.waitFor(() => counts().paused > before.paused, { what: 'the pause', timeoutMs: PATIENCE_MS })
      const { nid } = await queue()
      await seen(1)
      const { paused } = await readStatus(sandbox)
      assert.deepEqual(
        paused.map(({ by }) => by),
        ['Aegir'],
      )
      assert.deepEqual(sandbox.journalFile.of('start', nid), [])
      await setVariable(off)
      await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
      await seen(0)
      assert.deepEqual(counts(), { paused: before.paused + 1, resumed: before.resumed + 1 })
      assert.deepEqual((await readStatus(sandbox)).paused, [])
    })
  }

  test('absent, and as anything that is no scalar, pauses nothing', async () => {
    const before = counts()
    for (const form of ['absent', 'a:1:{i:0;i:1;}', 'O:8:"stdClass":0:{}', 'i:', '', 'yes']) {
      await setVariable(form)
      const { nid } = await queue()
      await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    }
    await setVariable('absent')
    assert.deepEqual(counts(), before)
  })
})

describe('skynet pause and skynet resume', () => {
  test('stop and start the queue, say who and why in status, and are logged once each however often they are given', async () => {
    const before = counts()
    for (let times = 0; times < 2; times += 1) {
      const pause = await sandbox.skynet(['pause', '--reason', 'database maintenance'])
      assert.deepEqual([pause.code, pause.stderr], [0, ''])
      assert.match(pause.stdout, /paused.*skynet resume/s)
    }
    const { nid } = await queue()
    await seen(1)
    const status = await readStatus(sandbox)
    assert.deepEqual(
      status.paused.map(({ by, reason }) => [by, reason]),
      [[sandbox.folder.account.name, 'database maintenance']],
    )
    assert.ok(Math.abs((status.paused[0]?.since ?? 0) - Date.now()) < 60_000)
    assert.match(status.waiting.next[0]?.reason ?? '', /paused by .*database maintenance/)
    const words = await sandbox.skynet(['status'])
    assert.match(words.stdout, /^Paused: +by \w+ for \d+ s: database maintenance$/m)
    assert.match(words.stdout, /^Waiting: +1, the oldest for \d+ s$/m)
    assert.deepEqual(sandbox.journalFile.of('start', nid), [])
    for (let times = 0; times < 2; times += 1) {
      const resume = await sandbox.skynet(['resume'])
      assert.deepEqual([resume.code, resume.stderr], [0, ''])
    }
    assert.equal((await sandbox.skynet(['resume'])).stdout, 'The queue was not paused.\n')
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await seen(0)
    assert.deepEqual(counts(), { paused: before.paused + 1, resumed: before.resumed + 1 })
    assert.doesNotMatch((await sandbox.skynet(['status'])).stdout, /Paused/)
  })

  test('resume says who else still pauses the queue, and fails', async () => {
    await setVariable('i:1;')
    await sandbox.skynet(['pause'])
    await waitForStatusOf(sandbox, 'both pauses', ({ paused }) => paused.length === 2)
    const resume = await sandbox.skynet(['resume'])
    assert.equal(resume.code, 1)
    assert.match(resume.stderr, /Aegir: .*hosting_queued_paused/)
    await setVariable('absent')
    await waitForStatusOf(sandbox, 'no pause', ({ paused }) => paused.length === 0)
  })

  test('a task that runs goes on while the queue is paused', async () => {
    const { nid } = await sandbox.hostmaster.queueTask({
      object: site,
      type: 'verify',
      arguments: { sandbox_ms: '1500' },
    })
    await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
    await sandbox.skynet(['pause'])
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === nid)
    await sandbox.skynet(['resume'])
  })

  test('a pause outlives the daemon: the next one is paused from its start, and says so once', async () => {
    await sandbox.skynet(['pause', '--reason', 'over the restart'])
    await stopDaemon(daemon)
    const { nid } = await queue()
    daemon = await startLeader(sandbox)
    await seen(1)
    assert.deepEqual(counts(), { paused: 1, resumed: 0 })
    assert.deepEqual(
      (await readStatus(sandbox)).paused.map(({ reason }) => reason),
      ['over the restart'],
    )
    assert.deepEqual(sandbox.journalFile.of('start', nid), [])
    await sandbox.skynet(['resume'])
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.deepEqual(counts(), { paused: 1, resumed: 1 })
  })

  test('[queue] paused pauses and resumes a running daemon', async () => {
    const before = counts()
    configure(sandbox, { queue: { paused: true } })
    await sandbox.waitFor(() => counts().paused > before.paused, { what: 'the pause', timeoutMs: PATIENCE_MS })
    const { nid } = await queue()
    await seen(1)
    assert.deepEqual(
      (await readStatus(sandbox)).paused.map(({ by }) => by),
      ['skynet.conf'],
    )
    configure(sandbox)
    await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
    assert.deepEqual(counts(), { paused: before.paused + 1, resumed: before.resumed + 1 })
    await stopDaemon(daemon)
  })

  test('say whose pause another one takes the place of', async () => {
    daemon = await startLeader(sandbox)
    await sandbox.skynet(['pause', '--reason', 'database maintenance'])
    const { stdout, stderr } = await sandbox.skynet(['pause', '--reason', 'lunch', '--until', '1h', '--json'])
    assert.match(stderr, /^This takes the place of the pause by \w+: database maintenance\.$/m)
    const { stderr: once } = await sandbox.skynet(['pause', '--reason', 'lunch'])
    assert.match(once, /^This takes the place of the pause by \w+: lunch until 2\S+Z\.$/m)
    const { ended } = JSON.parse(stdout) as { ended: { reason: string }[] }
    assert.deepEqual(
      ended.map(({ reason }) => reason),
      ['database maintenance'],
    )
    assert.deepEqual(
      (await readStatus(sandbox)).paused.map(({ reason }) => reason),
      ['lunch'],
    )
    assert.equal((await sandbox.skynet(['resume'])).stdout, 'The queue is resumed.\n')
    await stopDaemon(daemon)
  })

  test('without a daemon both fail with status 69, and say how to start it', async () => {
    for (const verb of ['pause', 'resume', 'status']) {
      const { code, stdout, stderr } = await sandbox.skynet([verb])
      assert.deepEqual([verb, code, stdout], [verb, 69, ''])
      assert.match(stderr, /The daemon is not running.*\n.*skynet queued/)
    }
  })
})
