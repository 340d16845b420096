import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AegirSite } from '../sandbox/aegir-site.js'
import { Sandbox } from '../sandbox/sandbox.js'

/** A minute of the sandbox's time is a second of ours. */
const SPEED = 60

/** How long the module keeps cron away after a daemon's last heartbeat, in seconds of the sandbox's time. */
const GUARD = 600

let sandbox: Sandbox
let site: AegirSite

before(async () => {
  sandbox = await Sandbox.create()
  site = await AegirSite.create(sandbox)
  await site.installModule()
})
after(() => sandbox.close())

test("cron's dispatcher and Skynet share a queue: every task runs once, by Skynet while it lives and by cron when it is gone", async (t) => {
  const { hostmaster } = sandbox
  const clock = { origin: Date.now() / 1000, speed: SPEED }
  const now = () => clock.origin + (Date.now() / 1000 - clock.origin) * SPEED
  sandbox.configureDrush({ clock })
  sandbox.writeConfig({ queue: { max_load: 1000, poll_interval: '5s' } })
  // What pm-enable has queued is not what is looked at here.
  await hostmaster.execute('UPDATE hosting_task SET task_status = 1')

  const nids: number[] = []
  const over = new AbortController()
  /** Cron: a dispatcher every minute, whatever became of the last one. */
  const cron = (async () => {
    while (!over.signal.aborted) {
      const next = delay(60_000 / SPEED)
      const result = await sandbox.drush(['@hostmaster', 'hosting-dispatch'])
      assert.equal(result.code, 0, result.stderr)
      await next
    }
  })()
  cron.catch(() => undefined)
  /** People: a task on each of two sites, now and then. */
  const queue = async () => {
    const { nid } = await hostmaster.queueTask({
      object: site.nid,
      type: 'flush_cache',
      changed: Math.floor(now()),
      arguments: { sandbox_ms: '100' },
    })
    nids.push(nid)
    return nid
  }
  const done = (nid: number) => sandbox.waitForStatus(nid, 1, 40_000)
  const dispatches = () =>
    sandbox.journal().filter(({ event, command }) => event === 'command-start' && command === 'hosting-dispatch')
  const bySkynet = (nid: number) =>
    sandbox.daemons.some(({ logs }) => logs.some((entry) => entry.msg === 'task started' && entry['nid'] === nid))

  try {
    // Before any Skynet: cron alone.
    const alone = [await queue(), await queue()]
    for (const nid of alone) await done(nid)
    assert.deepEqual(alone.map(bySkynet), [false, false])

    // Skynet is started: cron leaves the queue to it from its first heartbeat on.
    const first = sandbox.startAccelerated(clock)
    await first.waitForLog('leading')
    await sandbox.waitFor(async () => (await hostmaster.query('SELECT 1 FROM hosting_skynet_daemon')).length > 0, {
      what: 'a heartbeat',
    })
    const shared = []
    for (let count = 0; count < 6; count += 1) {
      shared.push(await queue())
      await delay(20_000 / SPEED)
    }
    for (const nid of shared) await done(nid)
    assert.deepEqual(
      shared.map(bySkynet),
      shared.map(() => true),
    )

    // It is killed for good, in mid-task. Cron waits until its heartbeat is old.
    const last = await queue()
    await sandbox.waitForJournal(({ event, nid }) => event === 'start' && nid === last)
    first.kill()
    await first.exited
    const [row] = await hostmaster.query<{ heartbeat: number }>(
      'SELECT MAX(heartbeat) AS heartbeat FROM hosting_skynet_daemon',
    )
    const orphans = [await queue(), await queue()]
    for (const nid of [last, ...orphans]) await done(nid)
    assert.deepEqual(orphans.map(bySkynet), [false, false])
    const start = sandbox.journalFile.of('start', orphans[0])[0]
    const silence = clock.origin + ((start?.time ?? 0) - clock.origin) * SPEED - (row?.heartbeat ?? 0)
    assert.ok(silence >= GUARD, `cron took the queue after ${silence} seconds of silence`)
    t.diagnostic(`cron took the queue back ${silence.toFixed(0)} s after the last heartbeat`)

    // It is started again, while cron's tasks may still run.
    const crossing = [await queue(), await queue()]
    const second = sandbox.startAccelerated(clock)
    await second.waitForLog('leading', { timeoutMs: 20_000 })
    for (const nid of crossing) await done(nid)
    // A dispatcher that looked at the heartbeat before that may still take what it finds; the next but one cannot.
    const begun = dispatches().length
    await sandbox.waitFor(() => dispatches().length >= begun + 2, { what: 'two more dispatches', timeoutMs: 40_000 })
    const again = [await queue(), await queue(), await queue()]
    for (const nid of again) await done(nid)
    assert.ok(again.every(bySkynet))
    second.kill('SIGTERM')
    await second.exited
  } finally {
    over.abort()
    await cron
  }

  const starts = nids.map((nid) => sandbox.journalFile.of('start', nid).length)
  assert.deepEqual(
    starts,
    nids.map(() => 1),
  )
  const minutes = (now() - clock.origin) / 60
  t.diagnostic(
    `${nids.length} tasks, ${nids.filter(bySkynet).length} by Skynet, ${dispatches().length} dispatches in ${minutes.toFixed(1)} minutes`,
  )
  assert.ok(minutes > 2)
})
