import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Sandbox } from '../sandbox/sandbox.js'
import { asAccount } from '../sandbox/account.js'
import { copyModuleTests, notify } from '../sandbox/module-notify.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'

let sandbox: Sandbox
let site: number
let checkout: string

before(async () => {
  sandbox = await Sandbox.create()
  site = (await sandbox.hostmaster.hostmasterSite()).site
  checkout = copyModuleTests(sandbox, fileURLToPath(new URL('../..', import.meta.url)))
})
after(() => sandbox.close())

const socket = () => join(sandbox.home, 'config/skynet-wake/wake')

async function start(poll_interval: string): Promise<DaemonProcess> {
  sandbox.writeConfig({ queue: { max_load: 1000, poll_interval }, log: { level: 'debug' } })
  const daemon = sandbox.startDaemon()
  await daemon.waitForLog('leading')
  return daemon
}

const queue = () => sandbox.hostmaster.queueTask({ object: site, type: 'flush_cache' })

/** As the web server's user would: anybody in the group of the folder. */
const save = () => notify(checkout, socket(), asAccount(sandbox.folder.account))

test('with a poll every 30 seconds, a task that the module tells of starts within 100 ms', async (t) => {
  const daemon = await start('30s')
  await sandbox.waitFor(() => statSync(socket(), { throwIfNoEntry: false })?.isSocket(), { what: 'the wake socket' })
  const times: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const { nid } = await queue()
    const { told, at } = await save()
    assert.equal(told, true)
    const { time } = await daemon.waitForLog((entry) => entry.msg === 'task started' && entry['nid'] === nid)
    times.push(new Date(time ?? 0).getTime() - at)
    await sandbox.waitForStatus(nid, 1)
  }
  t.diagnostic(`from the module's call to “task started”: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`)
  const best = Math.min(...times)
  assert.ok(best < 100, `the fastest of five took ${best} ms`)
  assert.ok(
    (times.toSorted((a, b) => a - b)[2] ?? Infinity) < 100,
    `the median of ${times.join(', ')} ms is above 100 ms`,
  )
  daemon.kill('SIGTERM')
  await daemon.exited
})

for (const [what, spoil] of [
  ['missing', () => rmSync(socket())],
  ['not accessible', () => chmodSync(socket(), 0)],
  ['in a folder that is closed', () => chmodSync(dirname(socket()), 0)],
] as const) {
  test(`with the wake socket ${what}, the save takes no longer and the poll finds the task`, async (t) => {
    mkdirSync(dirname(socket()), { recursive: true })
    const daemon = await start('300ms')
    await sandbox.waitFor(() => statSync(socket(), { throwIfNoEntry: false })?.isSocket(), { what: 'the wake socket' })
    try {
      spoil()
      const { nid } = await queue()
      const { told, ms } = await save()
      assert.equal(told, false)
      assert.ok(ms < 50, `the call took ${ms} ms`)
      t.diagnostic(`the call took ${ms} ms`)
      await sandbox.waitForStatus(nid, 1)
    } finally {
      chmodSync(dirname(socket()), 0o710)
    }
    daemon.kill('SIGTERM')
    await daemon.exited
    assert.equal(daemon.logs.filter(({ msg }) => msg.includes('unexpected')).length, 0)
  })
}
