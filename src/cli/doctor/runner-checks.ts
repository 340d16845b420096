import { isPhpTrue } from '../../hostmaster/php-value.js'
import { readModules, readQueueLock, readScalars } from '../../hostmaster/doctor-queries.js'
import { OUR_LOCK_PREFIX } from '../../hostmaster/queue-lock-row.js'
import { printable } from '../../observe/printable.js'
import { MODULE } from '../setup/module-step.js'
import { isOldRunner } from '../setup/old-runner-steps.js'
import { fail, pass, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

/** Modules that run the task queue themselves. */
const RUNNER_MODULES = ['hosting_queued', 'hosting_queue_runner']

const DISPATCH = 'hosting-dispatch'

export function runnerChecks(exam: Examination): CheckGroup {
  return {
    title: 'Other runners of the queue',
    checks: [
      { name: 'old runner', run: () => oldRunner(exam) },
      { name: 'runner modules', needs: ['database'], run: () => runnerModules(exam) },
      { name: 'cron queue', needs: ['database'], run: () => cronQueue(exam) },
      { name: 'queue lock', needs: ['database'], run: () => queueLock(exam) },
      { name: 'crontab', needs: ['configuration'], run: () => crontab(exam) },
    ],
  }
}

function oldRunner({ machine: { processes } }: Examination): Finding {
  const found = processes.list().filter(({ pid }) => isOldRunner(processes.args(pid)) && processes.isOurs(pid))
  const [first] = found
  if (!first) return pass('neither hosting-queued nor skynet.py runs as this user')
  const name = processes.args(first.pid).includes('hosting-queued') ? 'hosting-queued' : 'skynet.py'
  const todo = `Stop it where it is kept up (supervisorctl status; systemctl status hosting-queued), or: kill ${first.pid}`
  return fail(`${name} runs too, as process ${found.map(({ pid }) => pid).join(', ')}`, todo)
}

async function runnerModules({ connection }: Examination): Promise<Finding> {
  const rows = await readModules(connection, RUNNER_MODULES)
  const enabled = (rows ?? []).filter((row) => row.enabled).map(({ name }) => name)
  if (enabled.length === 0) return pass('no module of another runner is enabled')
  return warn(`enabled in Drupal: ${enabled.join(', ')}`, `drush @hostmaster pm-disable ${enabled.join(' ')}`)
}

/** Cron's dispatcher takes an absent variable for "enabled"; our module keeps it away while the daemon lives. */
async function cronQueue({ connection }: Examination): Promise<Finding> {
  const names = ['hosting_queue_tasks_enabled', 'hosting_dispatch_enabled', 'hosting_skynet_dispatcher_guard']
  const values = await readScalars(connection, names)
  const isOn = (name: string) => !values.has(name) || isPhpTrue(values.get(name))
  if (!isOn('hosting_queue_tasks_enabled')) return pass("cron's task queue is disabled")
  if (!isOn('hosting_dispatch_enabled')) return pass("cron's dispatcher is disabled")
  const isEnabled = (await readModules(connection, [MODULE]))?.some((row) => row.enabled) ?? false
  if (isEnabled && isOn('hosting_skynet_dispatcher_guard')) return pass('the module keeps cron from the task queue')
  return warn(
    "cron's task queue is enabled, and no module keeps it away: two runners make each other wait",
    `Enable the module, or: drush @hostmaster variable-set hosting_queue_tasks_enabled 0`,
  )
}

async function queueLock({ connection, machine }: Examination): Promise<Finding> {
  const row = await readQueueLock(connection)
  if (!row) return pass("Aegir's queue lock is free")
  const holder = printable(row.value)
  if (row.value.startsWith(OUR_LOCK_PREFIX)) return pass(`held by ${holder}`)
  const left = row.expire - machine.now() / 1000
  if (left <= 0) return pass(`left by ${holder}, and expired`)
  return warn(
    `held by ${holder} for another ${Math.ceil(left / 60)} min; until then Skynet starts nothing`,
    'If no other runner is at work: Unlock Hosting Queue in Aegir, or drush @hostmaster hosting-release-lock',
  )
}

/** Skynet replaces the task queue alone: somebody has to run the dispatcher for all others, and only one. */
async function crontab({ config, machine, taskEnvironment }: Examination): Promise<Finding> {
  const isScheduled = DISPATCH in config.schedule
  const { PATH, HOME, USER, LOGNAME } = taskEnvironment
  const result = await machine.run('crontab', ['-l'], { PATH, HOME, USER, LOGNAME })
  const lines = result?.code === 0 ? result.stdout.split('\n') : []
  const isInCrontab = lines.some((line) => /^\s*[^#\s]/.test(line) && line.includes(DISPATCH))
  if (isScheduled && isInCrontab) {
    const todo = `Take it out of one of them: crontab -e, or [schedule] in local.skynet.conf`
    return warn(`${DISPATCH} is in the crontab and in [schedule]: it runs twice`, todo)
  }
  if (isScheduled) return pass(`[schedule] runs ${DISPATCH}`)
  if (isInCrontab) return pass(`it runs ${DISPATCH}`)
  return warn(
    `nobody runs ${DISPATCH}: Aegir's cron, backup and other queues stand still`,
    `Add to the crontab: * * * * * drush @hostmaster ${DISPATCH}, or to [schedule] in local.skynet.conf: ${DISPATCH} = * * * * *`,
  )
}
