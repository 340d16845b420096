import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ProcessTable } from '../../src/runner/process-table.js'
import type { DaemonProcess } from '../sandbox/daemon-process.js'
import { endDaemons } from '../sandbox/end-daemons.js'
import { assertFitsSchema } from '../sandbox/json-schema.js'
import { PATIENCE_MS, configure, linesOf, readStatus, startLeader, waitForStatusOf } from '../sandbox/leader.js'
import { RunRecords } from '../sandbox/run-records.js'
import { Sandbox, type CommandResult } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox
let sites: number[]
let site: number
const processes = new ProcessTable()

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 2, { servers: 2 })
  site = sites[0] ?? 0
  configure(sandbox)
})
afterEach(async () => {
  await sandbox.skynet(['resume', '--all'])
  await endDaemons(sandbox)
  await sandbox.hostmaster.execute('UPDATE hosting_task SET task_status = 2 WHERE task_status IN (0, -1)')
})
after(() => sandbox.close())

async function queue(type = 'verify', given: Record<string, string> = {}, object = site): Promise<number> {
  return (await sandbox.hostmaster.queueTask({ object, type, arguments: given })).nid
}

/** Queues a task that hangs, and waits until its drush is at work. */
async function running(type = 'verify', given: Record<string, string> = {}): Promise<{ nid: number; sid: number }> {
  const nid = await queue(type, { sandbox_hang: '1', ...given })
  const { sid } = await sandbox.waitForJournal((entry) => entry.event === 'start' && entry.nid === nid, {
    timeoutMs: PATIENCE_MS,
  })
  return { nid, sid }
}

async function rows(nid: number, type: string): Promise<string[]> {
  return (await sandbox.hostmaster.log(nid)).filter((row) => row.type === type).map(({ message }) => message)
}

function jsonOf({ stdout }: CommandResult): Record<string, unknown> {
  const answer = JSON.parse(stdout) as Record<string, unknown>
  assertFitsSchema('cancel', answer)
  return answer
}

/** What is left of a run: of its session, and what left that. */
function leftOf(sid: number, seconds: string): string[] {
  return processes
    .list()
    .filter(({ pid, session }) => session === sid || processes.args(pid).join(' ') === `/bin/sleep ${seconds}`)
    .map(({ pid }) => processes.args(pid).join(' '))
}

test('a waiting task is cancelled as Aegir does it, and the daemon knows at once', async () => {
  const daemon = await startLeader(sandbox)
  await sandbox.skynet(['pause'])
  const nid = await queue()
  await waitForStatusOf(sandbox, 'one waiting task', ({ waiting }) => waiting.count === 1)
  const [before] = await sandbox.hostmaster.taskRows(nid)
  const result = await sandbox.skynet(['cancel', String(nid), '--reason', 'wrong\u001b[31m site'])
  assert.equal(result.code, 0, result.stderr)
  assert.match(
    result.stdout,
    new RegExp(`^Task ${nid} \\(verify s0-\\S+\\) was cancelled before it was started\\.$`, 'm'),
  )
  assert.deepEqual(await sandbox.hostmaster.taskRows(nid), [{ ...before, task_status: 3 }])
  assert.deepEqual(await rows(nid, 'warning'), [
    'Skynet: an administrator cancelled this task before it was started: wrong site',
  ])
  assert.equal((await readStatus(sandbox)).waiting.count, 0)
  await sandbox.skynet(['resume'])
  const next = await queue()
  await sandbox.waitForStatus(next, 1, PATIENCE_MS)
  assert.deepEqual(sandbox.journalFile.of('start', nid), [])
  assert.deepEqual(linesOf(daemon, 'task started', nid), [])
  assert.match((await sandbox.skynet(['why', String(nid)])).stdout, /cancelled before it was started/)
})

test('a waiting task is cancelled without a daemon; what has ended, or does not exist, is not', async () => {
  const nid = await queue()
  const result = await sandbox.skynet(['cancel', String(nid), '--json'])
  assert.equal(result.code, 0, result.stderr)
  const { object, ...answer } = jsonOf(result)
  assert.match(String(object), /^s0-/)
  const expected = { ok: true, nid, type: 'verify', was: 'waiting', run: null, status: 'warning', is_new: true }
  assert.deepEqual(answer, expected)
  const again = await sandbox.skynet(['cancel', String(nid)])
  assert.deepEqual([again.code, again.stdout], [1, ''])
  assert.match(again.stderr, /was cancelled already/)
  const none = await sandbox.skynet(['cancel', '4000000000', '--json'])
  assert.equal(none.code, 1)
  assert.equal(jsonOf(none)['code'], 'FAILED')
  assert.equal((await sandbox.skynet(['cancel', 'x1'])).code, 2)
  assert.equal((await sandbox.skynet(['cancel', '1', '--grace', 'soon'])).code, 2)
})

test('a running task that ignores TERM is killed with all that it has started, and the next one starts', async () => {
  const daemon = await startLeader(sandbox)
  const left = { sandbox_outlive_ms: '4711000', sandbox_outlive_as: 'own-session' }
  const { nid, sid } = await running('verify', { sandbox_ignore_term: '1', sandbox_backend_ms: '600000', ...left })
  await sandbox.waitForJournal((entry) => entry.event === 'backend-start' && entry.sid === sid)
  await sandbox.waitFor(() => leftOf(-1, '4711').length === 1, { what: 'the child with a session of its own' })
  const next = await queue()
  const asked = performance.now()
  const result = await sandbox.skynet(['cancel', String(nid), '--grace', '1s', '--reason', 'it hangs', '--json'])
  assert.equal(result.code, 0, result.stdout + result.stderr)
  assert.ok(performance.now() - asked < 10_000, `${performance.now() - asked} ms`)
  assert.deepEqual(leftOf(sid, '4711'), [])
  const { was, status } = jsonOf(result)
  assert.deepEqual({ was, status }, { was: 'running', status: 'error' })
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 2)
  const [first, second, ...others] = await rows(nid, 'error')
  assert.match(first ?? '', /^Skynet: this task is being ended, because an administrator cancelled it: it hangs\. What/)
  assert.match(
    second ?? '',
    /^Skynet: drush was ended by signal KILL .*because an administrator cancelled it: it hangs/,
  )
  assert.deepEqual(others, [])
  await sandbox.waitForStatus(next, 1, PATIENCE_MS)
  assert.equal(linesOf(daemon, 'run is cancelled; it is being ended', nid).length, 1)
  assert.equal(linesOf(daemon, 'run does not end when asked to; it is killed', nid).length, 1)
  assert.deepEqual(
    linesOf(daemon, 'task ended', nid).map(({ outcome, signal }) => [outcome, signal]),
    [['error', 'KILL']],
  )
  assert.equal(sandbox.journalFile.of('start', nid).length, 1)
})

test('a running task that obeys TERM is gone at once, and its log says so before', async () => {
  await startLeader(sandbox)
  const { nid, sid } = await running()
  const result = await sandbox.skynet(['cancel', String(nid)])
  assert.equal(result.code, 0, result.stderr)
  assert.match(result.stdout, /was cancelled and has failed now, for Aegir too/)
  assert.match(result.stderr, new RegExp(`^Task ${nid} \\(verify s0-\\S+\\) is being ended\\.$`, 'm'))
  assert.deepEqual(leftOf(sid, ''), [])
  const errors = await rows(nid, 'error')
  assert.match(errors[1] ?? '', /ended by signal TERM \(exit status 143\)/)
})

test('what is not safe to interrupt is cancelled only when somebody says yes', async () => {
  await startLeader(sandbox)
  const { nid, sid } = await running('migrate', { target_platform: '0' })
  const before = await sandbox.hostmaster.log(nid)
  for (const options of [[], ['--json']]) {
    const refused = await sandbox.skynet(['cancel', String(nid), ...options])
    assert.equal(refused.code, 1)
    assert.match(refused.stdout + refused.stderr, /migrate .*not safe to interrupt.*skynet cancel \d+ --yes/s)
  }
  // At a terminal it is asked; what is not a yes is a no.
  const terminal = (answer: string) => {
    const command = `${sandbox.install.node} ${sandbox.install.main} cancel ${nid}`
    return sandbox.run('sh', ['-c', `echo ${answer} | script -qefc "${command}" /dev/null`])
  }
  const no = await terminal('n')
  assert.match(no.stdout, /Cancel it all the same\? \[y\/N\].*Nothing was done/s)
  assert.equal(no.code, 1)
  assert.deepEqual(await sandbox.hostmaster.log(nid), before)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), -1)
  assert.ok(leftOf(sid, '').length > 0)
  const yes = await terminal('y')
  assert.match(yes.stdout, /was cancelled and has failed now/)
  assert.equal(yes.code, 0)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), 2)

  const second = await running('migrate', { target_platform: '0' })
  const result = await sandbox.skynet(['cancel', String(second.nid), '--yes'])
  assert.equal(result.code, 0, result.stderr)
  assert.equal(await sandbox.hostmaster.currentStatus(second.nid), 2)
})

test('the next daemon goes on with a cancellation that one was killed in', async () => {
  const daemon = await startLeader(sandbox)
  const { nid, sid } = await running('verify', { sandbox_ignore_term: '1' })
  const verb = sandbox.skynet(['cancel', String(nid), '--grace', '3s'])
  const records = new RunRecords(sandbox)
  const isAsked = () => records.in('runs').some((run) => run.nid === nid && run.cancellation?.term_at)
  await sandbox.waitFor(isAsked, { what: 'TERM', timeoutMs: PATIENCE_MS })
  daemon.kill()
  await daemon.exited
  const result = await verb
  assert.equal(result.code, 69)
  assert.match(result.stderr, /The next one goes on with that/)
  const next = await startLeader(sandbox)
  await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
  assert.deepEqual(leftOf(sid, ''), [])
  assert.equal((await rows(nid, 'error')).length, 2)
  assert.equal(linesOf(next, 'run adopted', nid).length, 1)
})

test('a task that a daemon has left running is not cancelled without one', async () => {
  const daemon = await startLeader(sandbox)
  const { nid, sid } = await running()
  await sandbox.waitForStatus(nid, -1, PATIENCE_MS)
  daemon.kill('SIGTERM')
  await daemon.exited
  const result = await sandbox.skynet(['cancel', String(nid)])
  assert.equal(result.code, 69)
  assert.match(result.stderr, /runs \(process \d+\), and no daemon does/)
  assert.equal(await sandbox.hostmaster.currentStatus(nid), -1)
  await startLeader(sandbox)
  await waitForStatusOf(sandbox, 'the adopted run', (status) => status.running.some((run) => run.nid === nid))
  assert.equal((await sandbox.skynet(['cancel', String(nid)])).code, 0)
  assert.deepEqual(leftOf(sid, ''), [])
})

test('what is not ours to end is named, with the command that is', async () => {
  await startLeader(sandbox)
  const { nid: stuck } = await sandbox.hostmaster.stuckTask({ object: site, type: 'verify' })
  await waitForStatusOf(sandbox, 'the stuck task', (status) => status.stuck.some((task) => task.nid === stuck))
  const fail = await sandbox.skynet(['cancel', String(stuck)])
  assert.equal(fail.code, 1)
  assert.match(fail.stderr, /is stuck.*skynet fail/s)

  await sandbox.skynet(['pause'])
  const nid = await queue('verify', { sandbox_until: 'go' }, sites[1])
  const drush = sandbox.drush(['@hostmaster', 'hosting-task', String(nid)])
  await waitForStatusOf(sandbox, 'the foreign run', (status) => status.foreign.some((task) => task.nid === nid))
  const kill = await sandbox.skynet(['cancel', String(nid)])
  assert.equal(kill.code, 1)
  assert.match(kill.stderr, /run by somebody else, process (\d+)\. To end it: kill \1/)
  sandbox.release('go')
  await drush
})

test('a run whose drush has not begun the task is ended too, and the task fails with the reason', async () => {
  sandbox.configureDrush({ guard_gap_ms: 60_000 })
  let daemon: DaemonProcess
  try {
    daemon = await startLeader(sandbox)
    const nid = await queue()
    await waitForStatusOf(sandbox, 'the run', (status) => status.running.some((run) => run.nid === nid))
    const result = await sandbox.skynet(['cancel', String(nid), '--reason', 'never mind'])
    assert.equal(result.code, 0, result.stderr)
    assert.equal(await sandbox.hostmaster.currentStatus(nid), 2)
    const errors = await rows(nid, 'error')
    assert.equal(errors.length, 1)
    assert.match(errors[0] ?? '', /an administrator cancelled it: never mind/)
    assert.deepEqual((await readStatus(sandbox)).parked, [])
  } finally {
    sandbox.configureDrush({ guard_gap_ms: undefined })
  }
  const next = await queue()
  await sandbox.waitForStatus(next, 1, PATIENCE_MS)
  assert.deepEqual(linesOf(daemon, 'task is parked'), [])
})
