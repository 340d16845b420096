import { z } from 'zod'
import {
  choice,
  duration,
  durationOrNone,
  integer,
  listenOrNone,
  listOf,
  matching,
  path,
  pathOrNone,
  positiveOrAuto,
  program,
  secret,
  size,
  socketPath,
  socketPathOrAuto,
  timeZoneOrAuto,
  userName,
  word,
  yesNo,
} from './key-types.js'
import { DEFAULT_STATE_DIR } from './state-directory.js'

/** What a person must know of a key, beside its default, which is the schema's own. */
export interface KeyHelp {
  /** What the key means, in a sentence or two. */
  help: string
  /** How the value is written, where the number in `Config` is not the text in the file. */
  unit?: 'duration' | 'size'
  /** Never shown to anyone. */
  secret?: true
}

/** The help of every key, by its schema; of every section likewise. */
export const keyHelp = z.registry<KeyHelp>()

/** What the values of a machine depend on. */
export interface Surroundings {
  /** Home directory of the user, for `~/`. */
  home: string
  /** Number of processors, for `max_load`. */
  cores: number
  /** Whether a text is a cron expression; passed in because its library is loaded only where there is a schedule. */
  isCron: (text: string) => boolean
  /** The machine's time zone, for the times of the schedule. */
  timeZone: string
}

/** Drush refuses every command above this load for each processor. */
const LOAD_PER_CORE = 5

/** Drush commands that run tasks, each in its way; two that do so beside each other are one too many. */
const RUNS_TASKS = new Set(['hosting-task', 'hosting-tasks', 'hosting-queued'])

const TASK_TYPE = /^[a-z][a-z0-9_-]{0,63}$/
const NO_TASK_TYPE = 'is no name of a task type (small letters, digits and _ -)'

/**
 * skynet.conf: every section, key, type, default and limit. The input is the text of the files, the output is `Config`:
 * durations in milliseconds, sizes in bytes, paths absolute.
 */
export function configSchema({ home, cores, isCron, timeZone }: Surroundings) {
  const database = z
    .object({
      host: word().prefault('localhost').register(keyHelp, { help: 'The database server.' }),
      port: integer(1, 65_535).prefault('3306').register(keyHelp, { help: "The server's port." }),
      socket: socketPathOrAuto(home).prefault('auto').register(keyHelp, {
        help: 'The Unix socket of the server; auto: where host is localhost, the one that PHP would use.',
      }),
      db: word().register(keyHelp, { help: 'Name of the database of the hostmaster site.' }),
      user: userName().register(keyHelp, { help: 'User of that database.' }),
      passwd: secret().register(keyHelp, { help: 'Password of that user.', secret: true }),
    })
    .register(keyHelp, {
      help: "The database of the hostmaster site, which holds Aegir's task queue. The Drupal module writes this section.",
    })

  const queue = z
    .object({
      concurrent_tasks: integer(1, 256)
        .prefault('1')
        .register(keyHelp, { help: 'How many tasks may run at the same time (slots).' }),
      poll_interval: duration({ least: '50ms', most: '10m' })
        .prefault('500ms')
        .register(keyHelp, { help: 'How often the database is asked for new tasks.', unit: 'duration' }),
      settle: duration({ least: '0s', most: '1h' })
        .prefault('0s')
        .register(keyHelp, { help: 'How old a queued task must be before it is started.', unit: 'duration' }),
      paused: yesNo()
        .prefault('no')
        .register(keyHelp, { help: 'Whether to start no task; those that run are not touched.' }),
      heartbeat_interval: duration({ least: '1s', most: '1h' }).prefault('60s').register(keyHelp, {
        help: "How often the daemon tells Drupal that it is alive. Shown by the module's settings page.",
        unit: 'duration',
      }),
      max_load: positiveOrAuto(LOAD_PER_CORE * cores)
        .prefault('auto')
        .register(keyHelp, {
          help: `No task is started while the load is above this; auto: ${LOAD_PER_CORE} for each processor, above which drush itself refuses.`,
        }),
      long_poll: yesNo().prefault('yes').register(keyHelp, {
        help: 'Whether the database server looks for new tasks by itself while there is nothing to do, which saves most of what an idle daemon costs. It needs MariaDB; other servers are asked as ever.',
      }),
    })
    .register(keyHelp, { help: 'What is started, and when.' })

  const drush = z
    .object({
      command: program(home).prefault('drush').register(keyHelp, {
        help: 'The drush program: a name that PATH finds, or an absolute path; without arguments.',
      }),
      alias: matching(/^@[\w.-]{1,200}$/, 'a drush alias such as @hostmaster')
        .prefault('@hostmaster')
        .register(keyHelp, { help: 'The drush alias of the hostmaster site.' }),
      // At most what a timer of Node can hold: 2^31 - 1 milliseconds are 24.8 days.
      timeout: durationOrNone({ least: '1s', most: '24d' }).prefault('none').register(keyHelp, {
        help: 'After how long a task that still runs is ended, unless [timeouts] names its type; none: never. Clone and migrate can take hours.',
        unit: 'duration',
      }),
      nice: integer(0, 19)
        .prefault('0')
        .register(keyHelp, { help: 'By how much tasks give way to other processes: 0 not at all, 19 the most.' }),
    })
    .register(keyHelp, { help: 'How a task is run.' })

  const timeouts = z
    .record(z.string().regex(TASK_TYPE, NO_TASK_TYPE), durationOrNone({ least: '1s', most: '24d' }))
    .register(keyHelp, {
      help: 'After how long a task of this type that still runs is ended: TYPE = DURATION, or none. It outranks [drush] timeout.',
    })

  const log = z
    .object({
      level: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal')
        .prefault('info')
        .register(keyHelp, { help: 'The least that is logged: trace, debug, info, warn, error or fatal.' }),
      format: choice('auto', 'pretty', 'json')
        .prefault('auto')
        .register(keyHelp, { help: 'pretty for people, json for programs; auto: pretty on a terminal, else json.' }),
      file: pathOrNone(home)
        .prefault('none')
        .register(keyHelp, { help: 'File that the log is appended to; none: standard output.' }),
    })
    .register(keyHelp, { help: "Skynet's own log." })

  const schedule = z
    .record(
      z
        .string()
        // The name becomes a part of a file's, which has at most 255 bytes.
        .regex(
          /^[a-z][a-z0-9:_-]{0,99}$/,
          'a name must be that of a drush command (small letters, digits and : _ -, at most 100)',
        )
        .refine((name) => !RUNS_TASKS.has(name), {
          error: ({ input }) => `${String(input)} cannot be scheduled: Skynet itself runs the tasks`,
        }),
      z.string().refine(isCron, 'must be a cron expression such as */5 * * * *'),
    )
    .register(keyHelp, {
      help: 'Drush commands of the hostmaster site and when to run them: NAME = CRON EXPRESSION (minute, hour, day, month, day of the week; a day must fit both of its fields). They take no slot of the tasks; every pause holds them.',
    })

  const cron = z
    .object({
      time_zone: timeZoneOrAuto(timeZone).prefault('auto').register(keyHelp, {
        help: "Time zone of the times in [schedule], such as Europe/Berlin; auto: the machine's.",
      }),
    })
    .register(keyHelp, { help: 'How the times in [schedule] are meant.' })

  const limits = z
    .object({
      runs_per_web_server: integer(1, 256).prefault('3').register(keyHelp, {
        help: 'How many tasks may run at the same time on one web server: its restarts and package synchronisation are not concurrency-proof.',
      }),
      site_verifies_per_platform: integer(1, 256)
        .prefault('2')
        .register(keyHelp, { help: 'How many sites of one platform may be verified at the same time.' }),
    })
    .register(keyHelp, { help: 'How much may run side by side where there is more than one slot.' })

  const locks = z
    .record(
      z.string().regex(TASK_TYPE, NO_TASK_TYPE),
      listOf('site', 'platform', 'web_server', 'db_server', 'database', 'everything'),
    )
    .register(keyHelp, {
      help: 'Task types of contributed modules and what each takes for itself alone, besides its own object: TYPE = site, platform, web_server, db_server, database or everything. A type that is neither known nor named here takes its object, its platform and its servers.',
    })

  const state = z
    .object({
      dir: path(home).prefault(DEFAULT_STATE_DIR).register(keyHelp, {
        help: 'Where the records and outputs of the runs are kept; on a local disk, for Skynet alone.',
      }),
      keep: duration({ least: '1h', most: '3650d' })
        .prefault('14d')
        .register(keyHelp, { help: 'How long the record of a settled run is kept.', unit: 'duration' }),
      keep_bytes: size({ least: '1M', most: '1024G' })
        .prefault('1G')
        .register(keyHelp, { help: 'How much room all records may take; the oldest go first.', unit: 'size' }),
      output_limit: size({ least: '64K', most: '64G' }).prefault('16M').register(keyHelp, {
        help: 'How long the output of one run may grow; beyond it, its end is kept.',
        unit: 'size',
      }),
      min_free: size({ least: '0', most: '1024G' })
        .prefault('100M')
        .register(keyHelp, { help: 'No task is started while the disk has less room than this.', unit: 'size' }),
    })
    .register(keyHelp, { help: 'What Skynet keeps on disk.' })

  const wake = z
    .object({
      socket: socketPath(home).prefault('~/config/skynet-wake/wake').register(keyHelp, {
        help: "The Unix socket by which the Drupal module says that a task was queued; its folder is 0710, of the web server's group.",
      }),
    })
    .register(keyHelp, { help: 'How new tasks are noticed at once.' })

  const metrics = z
    .object({
      listen: listenOrNone(home).prefault('none').register(keyHelp, {
        help: 'Where Prometheus and the like ask for /metrics, /livez and /readyz over HTTP: HOST:PORT, such as 127.0.0.1:9464, or the path of a Unix socket; none: nowhere.',
      }),
    })
    .register(keyHelp, { help: 'What a monitoring system can read.' })

  const notify = z
    .object({
      on_failure: pathOrNone(home).prefault('none').register(keyHelp, {
        help: 'The program that is told of failed, parked and overlong tasks, of a late queue, of a lost database and of changes of leadership: it is run without arguments and gets the event as JSON on its standard input; none: nobody is told.',
      }),
      queue_age: duration({ least: '1s', most: '365d' }).prefault('1h').register(keyHelp, {
        help: 'A task that has been waiting for longer than this is told of.',
        unit: 'duration',
      }),
    })
    .register(keyHelp, { help: 'Who is told when something goes wrong.' })

  return z.object({
    database: database.prefault({} as z.input<typeof database>),
    queue: queue.prefault({}),
    drush: drush.prefault({}),
    timeouts: timeouts.prefault({}),
    log: log.prefault({}),
    limits: limits.prefault({}),
    locks: locks.prefault({}),
    schedule: schedule.prefault({}),
    cron: cron.prefault({}),
    state: state.prefault({}),
    wake: wake.prefault({}),
    metrics: metrics.prefault({}),
    notify: notify.prefault({}),
  })
}

export type ConfigSchema = ReturnType<typeof configSchema>

/** The configuration in force: durations in milliseconds, sizes in bytes, paths absolute. */
export type Config = z.output<ConfigSchema>

export type Section = keyof Config
