import type { Hostmaster } from '../sandbox/hostmaster.js'
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

const ESCAPES = '\u001b[31m\u001b]0;title\u0007\u0000\r\n\u009b2J‮'
const LONG = ESCAPES.repeat(Math.ceil(65_536 / ESCAPES.length))

interface Row {
  what: string
  /** Changes a queued task; says what must become of it. */
  make: (hostmaster: Hostmaster, nid: number) => Promise<unknown>
  /** It has no row that says queued, and is nobody's to run. */
  isNoTask?: true
}

const set = (hostmaster: Hostmaster, nid: number, column: string, value: string | number | null) =>
  hostmaster.execute('UPDATE hosting_task SET ?? = ? WHERE nid = ?', [column, value, nid])

const ROWS: readonly Row[] = [
  { what: 'type NULL', make: (hostmaster, nid) => set(hostmaster, nid, 'task_type', null) },
  { what: 'type of 64 KB', make: (hostmaster, nid) => set(hostmaster, nid, 'task_type', LONG) },
  { what: 'rid 0', make: (hostmaster, nid) => set(hostmaster, nid, 'rid', 0) },
  { what: 'rid -1', make: (hostmaster, nid) => set(hostmaster, nid, 'rid', -1) },
  { what: 'rid 2147483647', make: (hostmaster, nid) => set(hostmaster, nid, 'rid', 2_147_483_647) },
  { what: 'rid -2147483648', make: (hostmaster, nid) => set(hostmaster, nid, 'rid', -2_147_483_648) },
  {
    what: 'executed and delta of a retry',
    make: (hostmaster, nid) =>
      hostmaster.execute('UPDATE hosting_task SET executed = 2147483647, delta = -5 WHERE nid = ?', [nid]),
  },
  {
    what: 'changed 0',
    make: (hostmaster, nid) => hostmaster.execute('UPDATE node SET changed = 0 WHERE nid = ?', [nid]),
  },
  {
    what: 'changed 2147483647',
    make: (hostmaster, nid) => hostmaster.execute('UPDATE node SET changed = 2147483647 WHERE nid = ?', [nid]),
  },
  {
    what: 'title with escape sequences',
    make: (hostmaster, nid) => hostmaster.execute('UPDATE node SET title = ? WHERE nid = ?', [LONG.slice(0, 255), nid]),
  },
  {
    what: 'argument of 64 KB, and one of name and value NULL',
    make: (hostmaster, nid) =>
      hostmaster.execute(
        `INSERT INTO hosting_task_arguments (vid, nid, name, value)
          SELECT vid, nid, 'target_platform', ? FROM node WHERE nid = ? UNION ALL SELECT vid, nid, NULL, NULL FROM node WHERE nid = ?`,
        [LONG, nid, nid],
      ),
  },
  { what: 'status NULL', make: (hostmaster, nid) => set(hostmaster, nid, 'task_status', null), isNoTask: true },
  { what: 'status 99', make: (hostmaster, nid) => set(hostmaster, nid, 'task_status', 99), isNoTask: true },
  {
    what: 'a node without a task row',
    make: (hostmaster, nid) => hostmaster.execute('DELETE FROM hosting_task WHERE nid = ?', [nid]),
    isNoTask: true,
  },
  {
    what: 'a task row without a node',
    make: (hostmaster, nid) => hostmaster.execute('DELETE FROM node WHERE nid = ?', [nid]),
    isNoTask: true,
  },
  {
    what: 'a node of another type',
    make: (hostmaster, nid) => hostmaster.execute("UPDATE node SET type = 'page' WHERE nid = ?", [nid]),
    isNoTask: true,
  },
  {
    what: 'a row of another nid',
    make: (hostmaster, nid) => set(hostmaster, nid, 'nid', nid + 1_000_000),
    isNoTask: true,
  },
]

export const adversarialRows: Scenario = {
  name: 'adversarial-rows',
  fault:
    'adversarial rows: NULLs, huge and negative numbers, objects that do not exist, 64 KB of escape sequences, halves of tasks',
  times: { short: ROWS.length, long: ROWS.length * 3 },
  async run(world, { times, random }) {
    const { hostmaster } = world.sandbox
    // A first start does not simply run what seems to be decades old.
    const met = await world.lead()
    await met.waitForLog('first start on this hostmaster', { timeoutMs: 60_000 })
    await world.kill(met, 'SIGTERM')
    const nids: number[] = []
    const none: number[] = []
    for (let number = 0; number < times; number += 1) {
      const row = ROWS[number % ROWS.length]
      if (!row) continue
      const [nid = 0] = await world.queue(random, 1)
      await row.make(hostmaster, nid)
      ;(row.isNoTask ? none : nids).push(nid)
      nids.push(...(await world.queue(random, 1)))
    }
    const daemon = await world.lead()
    await world.finished(nids)
    await saysNothingRaw(world)
    const ran = world.sandbox.journal().filter(({ nid }) => nid !== undefined && none.includes(nid))
    if (ran.length > 0) throw new Error(`What is no task was run: ${JSON.stringify(ran)}`)
    await world.kill(daemon, 'SIGTERM')
    for (const table of ['node', 'hosting_task'])
      await hostmaster.execute('DELETE FROM ?? WHERE nid IN (?)', [table, none])
    return world.finding(ROWS.map(({ what }) => what).join(', '), times, nids)
  },
}

/** What clients wrote must not reach a terminal as it is. */
async function saysNothingRaw({ sandbox }: World): Promise<void> {
  const { stdout, stderr } = await sandbox.skynet(['status'])
  const logs = sandbox.daemons.flatMap(({ logs, otherOutput }) => [JSON.stringify(logs), ...otherOutput]).join('')
  // JSON writes a control character as \\u00…; its values may hold none of them either.
  // eslint-disable-next-line no-control-regex
  const raw = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]|\\u00[01]|\\u009/i.exec(stdout + stderr + logs)
  if (raw) throw new Error(`A control character was printed: ${JSON.stringify(raw[0])}`)
}
