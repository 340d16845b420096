import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { askDaemon } from '../../src/daemon/control-client.js'
import { QUEUE_LOCK_ROW } from '../../src/hostmaster/queue-lock-row.js'
import { CONNECT, ErrorProxy, normalised, type InjectedError, type Phase } from './error-proxy.js'
import type { Random } from './random.js'
import type { Scenario } from './scenario.js'
import { soon, type World } from './world.js'

const ERRORS: readonly InjectedError[] = [
  { name: 'deadlock', kind: 'error', number: 1213, state: '40001' },
  { name: 'lock wait time-out', kind: 'error', number: 1205, state: 'HY000' },
  { name: 'server gone', kind: 'gone' },
  { name: 'too many connections', kind: 'error', number: 1040, state: '08004' },
  { name: 'read-only server', kind: 'error', number: 1290, state: 'HY000' },
]

/** Sent only when another statement of the transaction has failed. */
const ROLLBACK = 'ROLLBACK'

const USER = 'skynet_chaos'

/** The statement with which the server looks for a daemon that has nothing to do. */
const LOOK = 'SET STATEMENT long_query_time'

/** Of a vid that is no task's. */
const OUTLIVING_CLAIM = 'skynet_run_1'

/** Long enough for a busy machine; the daemon's own clock makes little of it. */
const TOUR_LIMIT = 60_000

export const databaseErrors: Scenario = {
  name: 'database-errors',
  fault:
    'every statement of the general log × deadlock, lock wait time-out, server gone, too many connections, read-only; before and after execution',
  times: { short: 1, long: ERRORS.length * 2 },
  world: {},
  async run(world, { times, random }) {
    const { database, hostmaster } = world.sandbox
    const proxy = await ErrorProxy.listen({ host: database.host, port: database.port })
    try {
      await ownUser(world)
      await moduleTable(world)
      const section = { ...world.sandbox.databaseSection(), user: USER, port: proxy.port }
      world.configure({ database: section, queue: { heartbeat_interval: '1s' } })

      // Once without errors, for the list of the statements.
      const known = new Set<string>([CONNECT, ROLLBACK])
      const nids: number[] = []
      const mayFail: number[] = []
      let looks = 0
      const tour = async (isDone: () => boolean) => {
        const one = await tourOfStatements(world, random, { isDone, looks: () => looks })
        nids.push(...one.nids)
        mayFail.push(...one.mayFail)
      }
      proxy.decide = (statement) => {
        known.add(statement)
        if (statement.startsWith(LOOK)) looks += 1
        return undefined
      }
      await tour(() => true)

      const cases = ERRORS.flatMap((error) => (['before', 'after'] as Phase[]).map((phase) => ({ error, phase })))
      while (cases.length > times) cases.splice(random.between(0, cases.length - 1), 1)
      let injected = 0
      for (const { error, phase } of cases) {
        const armed = new Set(known)
        let rollbacks = 0
        proxy.decide = (statement) => {
          if (!known.has(statement)) armed.add(statement)
          known.add(statement)
          if (statement.startsWith(LOOK)) looks += 1
          // A rollback is only seen after a failure that does not cut the connection.
          const provokesRollback =
            armed.has(ROLLBACK) &&
            !armed.has(statement) &&
            statement.startsWith('UPDATE hosting_task SET') &&
            rollbacks++ < 20
          if (provokesRollback) return { error: ERRORS[0] as InjectedError, phase: 'before' }
          if (!armed.delete(statement)) return undefined
          injected += 1
          return { error, phase }
        }
        await tour(() => armed.size === 0)
        if (armed.size > 0) {
          const never = [...armed].join('\n')
          throw new Error(`Statements that the tour never came to, for ${error.name}, ${phase}:\n${never}`)
        }
      }
      const logged = await loggedStatements(world)
      const without = logged.filter((statement) => !known.has(statement))
      if (without.length > 0) throw new Error(`Statements of the general log without a case:\n${without.join('\n')}`)
      const strict = await world.finding('', 0, nids)
      const failing = await world.finding('', 0, mayFail, { mayFail: true })
      const did = `${known.size} statements × ${cases.map(({ error, phase }) => `${error.name} ${phase}`).join(', ')}`
      return {
        did,
        times: injected,
        tasks: strict.tasks + failing.tasks,
        lost: strict.lost + failing.lost,
        doubled: strict.doubled + failing.doubled,
      }
    } finally {
      await proxy.close()
      await hostmaster.execute('SET GLOBAL general_log = OFF')
      await hostmaster.execute('DELETE FROM hosting_task_log')
    }
  },
}

interface Progress {
  isDone: () => boolean
  /** How often the server has been asked to look. */
  looks: () => number
}

/** Leads a daemon through all that it ever sends to a database, until everything is done. */
async function tourOfStatements(
  world: World,
  random: Random,
  { isDone, looks }: Progress,
): Promise<{ nids: number[]; mayFail: number[] }> {
  const { hostmaster } = world.sandbox
  const nids: number[] = []
  const mayFail: number[] = []
  const setRow = (value: string, ahead: number) =>
    hostmaster.execute('REPLACE INTO semaphore (name, value, expire) VALUES (?, ?, UNIX_TIMESTAMP() + ?)', [
      QUEUE_LOCK_ROW,
      value,
      ahead,
    ])
  await hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [QUEUE_LOCK_ROW])
  // At its first look the daemon finds a task that no process works on, and one that another has claimed.
  const stuck = await hostmaster.stuckTask({ object: world.sites[0] ?? 0, type: 'verify' })
  const claimed = await hostmaster.transaction(async (connection) => {
    const task = await hostmaster.queueTaskWithin(connection, { object: world.sites[1] ?? 0, type: 'verify' })
    const claim = [`skynet_run_${task.vid}`, `skynet:a:b:c:20260101T000000000Z-${task.nid}-${task.vid}`]
    await connection.query('INSERT INTO semaphore (name, value, expire) VALUES (?, ?, 4102444800)', claim)
    return task
  })
  nids.push(claimed.nid)
  let daemon = await world.lead({ speed: 10 })
  const met = () =>
    daemon.logs.some(({ msg, nid }) => nid === claimed.nid && msg.startsWith('task is claimed by another'))
  await soon(() => met() || undefined, TOUR_LIMIT)
  const end = performance.now() + TOUR_LIMIT
  for (let round = 0; round === 0 || (!isDone() && performance.now() < end); round += 1) {
    nids.push(...(await world.queue(random, 2, { ms: [0, 100] })))
    await hostmaster.execute('DELETE FROM semaphore WHERE name = ?', [`skynet_run_${claimed.vid}`])
    const long = { object: world.sites[3] ?? 0, type: 'verify', arguments: { sandbox_ms: '3000' } }
    const { nid: killed } = await hostmaster.queueTask(long)
    mayFail.push(killed)
    const drush = await soon(() => world.sandbox.journalFile.of('start', killed)[0], TOUR_LIMIT)
    if (drush) process.kill(drush.pid, 'SIGKILL')
    const { nid: cancelled, vid } = await hostmaster.queueTask({ ...long, object: world.sites[4] ?? 0 })
    mayFail.push(cancelled)
    await soon(() => world.sandbox.journalFile.of('start', cancelled)[0], TOUR_LIMIT)
    // A claim that outlives its run, as with a restored database: the next daemon removes it.
    await hostmaster.execute(
      'REPLACE INTO semaphore (name, value, expire) SELECT ?, value, expire FROM semaphore WHERE name = ?',
      [OUTLIVING_CLAIM, `skynet_run_${vid}`],
    )
    await cancel(world, cancelled)
    await setRow('skynet:elsewhere:1', 100)
    await delay(100)
    // Nearly over: to be renewed.
    await hostmaster.execute('UPDATE semaphore SET expire = UNIX_TIMESTAMP() + 20 WHERE name = ?', [QUEUE_LOCK_ROW])
    // An object that was saved, for the topology.
    await hostmaster.execute('UPDATE node SET changed = UNIX_TIMESTAMP() + ? WHERE nid = ?', [round, world.sites[2]])
    await world.finished([...nids, ...mayFail])
    // With nothing left to do the server is asked once what there is and then to look; or a fault keeps it from that.
    const before = looks()
    const refused = () => daemon.logs.some(({ msg }) => msg.startsWith('the server does not look'))
    await soon(() => looks() >= before + 2 || refused() || undefined, TOUR_LIMIT)
    daemon.kill('SIGINT')
    const { code, signal } = await daemon.exited
    if (code !== 0) throw new Error(`The daemon left with ${code ?? signal ?? '?'}.\n${daemon.lastWords()}`)
    if (isDone() || performance.now() >= end) break
    daemon = await world.lead({ speed: 10 })
  }
  await hostmaster.execute('UPDATE hosting_task SET task_status = 2 WHERE vid = ?', [stuck.vid])
  return { nids, mayFail }
}

/** As `skynet cancel` does it; a daemon whose database is away refuses, and the task ends by itself. */
async function cancel({ records }: World, nid: number): Promise<void> {
  const question = { verb: 'cancel' as const, nid, by: 'chaos', reason: 'a test', grace_ms: 1_000, confirmed: true }
  await askDaemon(join(records.stateDirectory, 'control.sock'), question).catch(() => undefined)
}

/** The daemon's own user, so that the general log tells its statements from drush's. */
async function ownUser({ sandbox: { hostmaster } }: World): Promise<void> {
  const { db, passwd } = hostmaster.credentials
  for (const host of ['localhost', '127.0.0.1']) {
    await hostmaster.execute('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [USER, host, passwd])
    await hostmaster.execute('GRANT ALL ON ??.* TO ?@?', [db, USER, host])
  }
  await hostmaster.execute("SET GLOBAL log_output = 'TABLE'")
  await hostmaster.execute('SET GLOBAL general_log = ON')
}

/** The module's table, which the daemon's heartbeat goes to. */
async function moduleTable({ sandbox: { hostmaster } }: World): Promise<void> {
  await hostmaster.execute(`CREATE TABLE IF NOT EXISTS hosting_skynet_daemon (
    id VARCHAR(64) PRIMARY KEY, host VARCHAR(255), pid INT UNSIGNED, version VARCHAR(32), state VARCHAR(32), started INT,
    heartbeat INT, snapshot LONGTEXT)`)
}

async function loggedStatements({ sandbox: { hostmaster } }: World): Promise<string[]> {
  const rows = await hostmaster.query<{ argument: Buffer | string }>(
    `SELECT DISTINCT argument FROM mysql.general_log
      WHERE command_type IN ('Prepare', 'Query') AND user_host LIKE '${USER}[%'`,
  )
  return [...new Set(rows.map(({ argument }) => normalised(argument.toString())))]
}
