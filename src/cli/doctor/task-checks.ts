import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { Attempts, earlierRuns, type Parked } from '../../daemon/attempts.js'
import { OwnPauses, isWholeQueue } from '../../daemon/pause.js'
import { claimOrigin, parseClaim } from '../../daemon/run-claim.js'
import { findWork, livingProcess } from '../../daemon/task-work.js'
import { readScalars, readSitePlaces } from '../../hostmaster/doctor-queries.js'
import { isPhpTrue } from '../../hostmaster/php-value.js'
import { readClaims } from '../../hostmaster/run-queries.js'
import { readOpenTasks, readTask, type TaskRow } from '../../hostmaster/task-queries.js'
import { printable } from '../../observe/printable.js'
import { isReadable } from '../../runner/run-store.js'
import { nameTasks } from '../../scheduler/plan.js'
import { pass, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'
import { openRunStore } from './open-run-store.js'

/** More of a kind are counted, not named. */
const NAMED = 5

/** Above every vid: the column is an unsigned int. */
const HIGHEST_VID = 4_294_967_295

export function taskChecks(exam: Examination): CheckGroup {
  let reading: Promise<TaskRow[]> | undefined
  const open = () => (reading ??= readOpenTasks(exam.connection, 0, HIGHEST_VID))
  return {
    title: 'Tasks',
    checks: [
      { name: 'pause', needs: ['database'], run: () => pause(exam) },
      { name: 'stuck tasks', needs: ['database'], run: () => stuckTasks(exam, open) },
      { name: 'parked tasks', needs: ['database'], run: () => parkedTasks(exam, open) },
      { name: 'records', needs: ['state directory', 'database'], run: () => records(exam) },
      { name: 'leftover dumps', needs: ['database'], run: () => leftoverDumps(exam, open) },
    ],
  }
}

async function pause({ config, connection }: Examination): Promise<Finding> {
  const all = new OwnPauses(config.state.dir).list(Date.now())
  const own = all.find(isWholeQueue)
  if (own) {
    const why = own.reason === '' ? '' : `: ${printable(own.reason)}`
    return warn(`the queue is paused by ${printable(own.by)}${why}`, 'When it may go on: skynet resume')
  }
  if (config.queue.paused) return warn('the queue is paused by skynet.conf', 'Take [queue] paused = yes out of it.')
  if (isPhpTrue((await readScalars(connection, ['hosting_queued_paused'])).get('hosting_queued_paused'))) {
    const todo = 'End it on the page of the daemon (admin/hosting/skynet), unless an upgrade of Aegir is under way.'
    return warn('the queue is paused in Aegir (hosting_queued_paused)', todo)
  }
  const [first] = all
  if (first) {
    const others = all.length > 1 ? `, and ${all.length - 1} more` : ''
    const what = `${nameTasks(first)} are paused by ${first.by}${others}`
    return warn(printable(what), 'When they may go on: skynet resume --all; skynet status lists them.')
  }
  return pass('the queue is not paused')
}

async function stuckTasks(exam: Examination, open: () => Promise<TaskRow[]>): Promise<Finding> {
  const processing = (await open()).filter(({ status }) => status === -1)
  const work = await findWork(processing, await workSources(exam))
  const stuck = processing.filter((_task, index) => work[index]?.kind === 'nobody')
  if (stuck.length === 0) return pass('no task is processing without a process')
  return warn(
    `processing, but without any process: ${named(stuck, describeTask)}`,
    `Look at what was left half done, then, for each: skynet fail ${stuck[0]?.nid ?? 'NID'} --reason "…"`,
  )
}

async function workSources({ config, connection, machine: { processes } }: Examination) {
  const { dir } = config.state
  const claims = await readClaims(connection)
  return { store: openRunStore(dir), processes, origin: claimOrigin(processes, dir), claims }
}

async function parkedTasks(exam: Examination, open: () => Promise<TaskRow[]>): Promise<Finding> {
  const parked: Pick<Parked, 'nid' | 'attempts' | 'reason'>[] =
    exam.daemon?.parked ?? parkedByHistory(exam, await open())
  if (parked.length === 0) return pass('drush gets to every task')
  const [first] = parked
  const list = named(parked, ({ nid, attempts }) => `${nid} (${attempts} ${attempts === 1 ? 'attempt' : 'attempts'})`)
  return warn(
    `drush never got to: ${list}${first ? `; ${first.reason}` : ''}`,
    `Try it by hand, it says why: drush ${exam.config.drush.alias} hosting-task ${first?.nid ?? 'NID'}`,
  )
}

/** As a daemon that starts now would recall them. */
function parkedByHistory({ config, machine }: Examination, open: TaskRow[]) {
  const store = openRunStore(config.state.dir)
  const waiting = new Map(open.filter(({ status }) => status === 0).map((task) => [task.nid, task]))
  const attempts = new Attempts()
  if (store) attempts.recall(earlierRuns(store, waiting, machine.now()))
  attempts.keepOnly(waiting, machine.now())
  return attempts.list()
}

/** Unsettled records that no daemon will settle, or that none is there to settle; claims without their record. */
async function records({ config, connection, daemon, machine: { processes } }: Examination): Promise<Finding> {
  const { dir } = config.state
  const store = openRunStore(dir)
  if (!store) return pass('there are none yet')
  const faults: string[] = []
  const known = new Set<string>()
  for (const record of store.list()) {
    known.add(record.run)
    if (!isReadable(record)) faults.push(`${record.run}: ${record.reason}`)
    else if (record.owner.machine !== processes.machine) faults.push(`${record.run} was made by another machine`)
    else if (daemon === undefined && livingProcess(record, store, processes) === undefined) {
      const isThere = (await readTask(connection, record.nid)) !== undefined
      faults.push(`${record.run} ${isThere ? 'waits for a daemon to settle it' : 'has no task any more'}`)
    }
  }
  const origin = claimOrigin(processes, dir)
  for (const { vid, value } of daemon ? [] : await readClaims(connection)) {
    const from = parseClaim(value)
    const isOurs = from?.machine === origin.machine && from.stateDirectory === origin.stateDirectory
    if (isOurs && !known.has(from.run)) faults.push(`the claim skynet_run_${vid} has no record`)
  }
  if (faults.length === 0) return pass(known.size === 0 ? 'no run is under way' : `${known.size} of runs under way`)
  const todo = daemon
    ? `Look into ${join(dir, 'runs')}; remove the folder of one that is of no use any more.`
    : `Start the daemon, which settles those of this machine. The others are in ${join(dir, 'runs')}.`
  return warn(
    named(faults, (fault) => fault),
    todo,
  )
}

/** A killed backup leaves its dump in the site's folder, and no later backup of that site succeeds. */
async function leftoverDumps({ connection, machine: { processes } }: Examination, open: () => Promise<TaskRow[]>) {
  const places = await readSitePlaces(connection)
  const busy = new Set((await open()).filter(({ status }) => status === -1).map(({ rid }) => rid))
  const dumps = places.flatMap(({ nid, uri, root }) => {
    // Both come from the database and become parts of a path.
    if (busy.has(nid) || !root.startsWith('/') || !/^[a-z0-9][\w.-]*$/i.test(uri)) return []
    const file = join(root, 'sites', uri, 'database.sql')
    return isFile(file) ? [file] : []
  })
  const isDumping = processes
    .list()
    .some(({ pid }) => processes.args(pid).some((arg) => arg === 'provision-backup') && processes.isOurs(pid))
  if (dumps.length === 0) return pass(`no database.sql in the folders of ${places.length} sites`)
  if (isDumping) return pass('a database.sql is there, and a backup is at work')
  return warn(
    `left by a killed backup: ${named(dumps, printable)}`,
    `It holds the site's data, and the next backup fails over it: rm ${dumps[0] ?? ''}`,
  )
}

function isFile(path: string): boolean {
  try {
    return lstatSync(path).isFile()
  } catch {
    return false
  }
}

function describeTask({ nid, type, object }: TaskRow): string {
  return `${nid} (${printable(`${type} ${object}`).trim()})`
}

function named<Item>(items: Item[], name: (item: Item) => string): string {
  const names = items.slice(0, NAMED).map((item) => name(item))
  return names.join(', ') + (items.length > NAMED ? ` and ${items.length - NAMED} more` : '')
}
