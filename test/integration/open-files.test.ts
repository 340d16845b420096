import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { PATIENCE_MS, configure, faultsOf, linesOf } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 8, { servers: 4 })
  configure(sandbox, { queue: { concurrent_tasks: 6 } })
})
afterEach(async () => {
  for (const daemon of sandbox.daemons.splice(0)) {
    daemon.kill()
    await daemon.exited
    for (const fault of faultsOf(daemon)) assert.match(JSON.stringify(fault), /too many open files/)
  }
})
after(() => sandbox.close())

/** Sets how many files a daemon may have open. */
async function limitFiles(daemon: DaemonProcess, limit: number): Promise<void> {
  const { code, stderr } = await sandbox.run('prlimit', ['--pid', String(daemon.pid), `--nofile=${limit}:`])
  assert.equal(code, 0, stderr)
}

/** The lowest descriptor that a daemon does not use: with this as its limit it can open nothing more. */
function lowestFree(daemon: DaemonProcess): number {
  const used = new Set(readdirSync(`/proc/${daemon.pid}/fd`).map(Number))
  let free = 0
  while (used.has(free)) free += 1
  return free
}

function queue(index: number, args: Record<string, string> = {}): Promise<{ nid: number }> {
  return sandbox.hostmaster.queueTask({ object: sites[index] ?? 0, type: 'verify', arguments: args })
}

const journalOf = (nid: number) => sandbox.journal().flatMap((entry) => (entry.nid === nid ? [entry.event] : []))

function begun(nid: number): Promise<{ pid: number }> {
  return sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, { timeoutMs: PATIENCE_MS })
}

async function endedWell(nid: number): Promise<void> {
  await sandbox.waitForStatus(nid, 1, PATIENCE_MS)
  assert.deepEqual(journalOf(nid), ['start', 'end'])
  const errors = (await sandbox.hostmaster.log(nid)).filter(({ type }) => type === 'error')
  assert.deepEqual(errors, [])
}

test('a daemon without a file descriptor to spare takes no run that goes on for ended, starts nothing, says so, and goes on when it has some', async () => {
  const daemon = sandbox.startDaemon()
  const goesOn = await queue(0, { sandbox_until: 'the end' })
  const ends = await queue(1, { sandbox_until: 'now' })
  const { pid } = await begun(goesOn.nid)
  await begun(ends.nid)
  await limitFiles(daemon, lowestFree(daemon))
  const waits = await queue(2)
  await daemon.waitForLog((entry) => entry.level === 'error' && JSON.stringify(entry).includes('EMFILE'), {
    what: 'word of the shortage',
    timeoutMs: PATIENCE_MS,
  })
  sandbox.release('now')
  await sandbox.waitForStatus(ends.nid, 1, PATIENCE_MS)
  await daemon.waitForLog((entry) => entry.msg === 'run cannot be looked at; it is taken to go on', {
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(linesOf(daemon, 'task ended').length, 0)
  assert.deepEqual(journalOf(waits.nid), [])
  process.kill(pid, 0)
  await limitFiles(daemon, 1_024)
  await endedWell(waits.nid)
  sandbox.release('the end')
  for (const { nid } of [goesOn, ends]) await endedWell(nid)
  await daemon.waitForLog((entry) => entry.msg === 'task ended' && entry['nid'] === goesOn.nid, {
    timeoutMs: PATIENCE_MS,
  })
  assert.equal(daemon.exit, undefined)
  assert.equal(daemon.stderr, '')
})

test('a daemon with descriptors for fewer shells than slots runs what it can, and the rest when there is room', async () => {
  const daemon = sandbox.startDaemon()
  await daemon.waitForLog('leading', { timeoutMs: PATIENCE_MS })
  const first = await queue(0)
  await endedWell(first.nid)
  await limitFiles(daemon, lowestFree(daemon) + 4)
  const tasks: { nid: number }[] = []
  for (let index = 0; index < 8; index++) tasks.push(await queue(index, { sandbox_ms: '300' }))
  await daemon.waitForLog((entry) => entry.level === 'error', { what: 'word of the shortage', timeoutMs: PATIENCE_MS })
  await limitFiles(daemon, 1_024)
  for (const { nid } of tasks) await endedWell(nid)
  assert.equal(daemon.exit, undefined)
  assert.equal(daemon.stderr, '')
})
