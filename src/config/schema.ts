import * as v from 'valibot'
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

/** What a key's text is read by. */
type KeyType<Value = unknown> = v.GenericSchema<string, Value>

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
export const keyHelp = new WeakMap<object, KeyHelp>()

/** A key that must be given. */
function required<Type extends KeyType>(type: Type, help: KeyHelp): Type {
  keyHelp.set(type, help)
  return type
}

/** @param fallback text of the default */
function key<Type extends KeyType>(type: Type, fallback: string, help: KeyHelp): v.OptionalSchema<Type, string> {
  const schema = v.optional<Type, string>(type, fallback)
  keyHelp.set(schema, help)
  return schema
}

function section<Entries extends v.ObjectEntries>(help: string, entries: Entries) {
  const schema = v.object(entries, 'is missing')
  keyHelp.set(schema, { help })
  return schema
}

/** Names in a record that valibot passes over without a word. */
const PASSED_OVER = new Set(['__proto__', 'prototype', 'constructor'])

/** A section whose names are free. */
function names<Value extends KeyType>(help: string, name: KeyType<string>, value: Value) {
  const usable = v.check<string, v.ErrorMessage<v.CheckIssue<string>>>(
    (text) => !PASSED_OVER.has(text),
    ({ input }) => `${input} cannot be a name here`,
  )
  const schema = v.record(v.pipe(name, usable), value)
  keyHelp.set(schema, { help })
  return schema
}

/** What the values of a machine depend on. */
export interface Surroundings {
  /** Home directory of the user, for `~/`. */
  home: string
  /** Number of processors, for `max_load`. */
  cores: number
  /** Whether a text is a cron expression; passed in because its library is loaded only where there is a schedule. */
  isCron: (text: string) => boolean
}

/** Drush refuses every command above this load for each processor. */
const LOAD_PER_CORE = 5

/** Drush commands that run tasks, each in its way; two that do so beside each other are one too many. */
const RUNS_TASKS = new Set(['hosting-task', 'hosting-tasks', 'hosting-queued'])

const taskType = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9_-]{0,63}$/, 'is no name of a task type (small letters, digits and _ -)'),
)

/** It becomes a part of a file's name, which has at most 255 bytes. */
const scheduledCommand = v.pipe(
  v.string(),
  v.regex(
    /^[a-z][a-z0-9:_-]{0,99}$/,
    'a name must be that of a drush command (small letters, digits and : _ -, at most 100)',
  ),
  v.check(
    (name) => !RUNS_TASKS.has(name),
    ({ input }) => `${input} cannot be scheduled: Skynet itself runs the tasks`,
  ),
)

/**
 * skynet.conf: every section, key, type, default and limit. The input is the text of the files, the output is `Config`:
 * durations in milliseconds, sizes in bytes, paths absolute. It is a Standard Schema, which other programs can use without
 * the library that it is made with; to be shown are of its issues `message` and the keys of `path` only, since what was
 * given, a password for one, is in them too.
 */
export function configSchema({ home, cores, isCron }: Surroundings) {
  const database = section(
    "The database of the hostmaster site, which holds Aegir's task queue. The Drupal module writes this section.",
    {
      host: key(word(), 'localhost', { help: 'The database server.' }),
      port: key(integer(1, 65_535), '3306', { help: "The server's port." }),
      socket: key(socketPathOrAuto(home), 'auto', {
        help: 'The Unix socket of the server; auto: where host is localhost, the one that PHP would use.',
      }),
      db: required(word(), { help: 'Name of the database of the hostmaster site.' }),
      user: required(userName(), { help: 'User of that database.' }),
      passwd: required(secret(), { help: 'Password of that user.', secret: true }),
    },
  )

  const queue = section('What is started, and when.', {
    concurrent_tasks: key(integer(1, 256), '1', { help: 'How many tasks may run at the same time (slots).' }),
    poll_interval: key(duration({ least: '50ms', most: '10m' }), '500ms', {
      help: 'How often the database is asked for new tasks.',
      unit: 'duration',
    }),
    settle: key(duration({ least: '0s', most: '1h' }), '0s', {
      help: 'How old a queued task must be before it is started.',
      unit: 'duration',
    }),
    paused: key(yesNo(), 'no', { help: 'Whether to start no task; those that run are not touched.' }),
    heartbeat_interval: key(duration({ least: '1s', most: '1h' }), '60s', {
      help: "How often the daemon tells Drupal that it is alive. Shown by the module's settings page.",
      unit: 'duration',
    }),
    max_load: key(positiveOrAuto(LOAD_PER_CORE * cores), 'auto', {
      help: `No task is started while the load is above this; auto: ${LOAD_PER_CORE} for each processor, above which drush itself refuses.`,
    }),
    long_poll: key(yesNo(), 'yes', {
      help: 'Whether the database server looks for new tasks by itself while there is nothing to do, which saves most of what an idle daemon costs. It needs MariaDB; other servers are asked as ever.',
    }),
  })

  const drush = section('How a task is run.', {
    command: key(program(home), 'drush', {
      help: 'The drush program: a name that PATH finds, or an absolute path; without arguments.',
    }),
    alias: key(matching(/^@[\w.-]{1,200}$/, 'a drush alias such as @hostmaster'), '@hostmaster', {
      help: 'The drush alias of the hostmaster site.',
    }),
    // At most what a timer of Node can hold: 2^31 - 1 milliseconds are 24.8 days.
    timeout: key(durationOrNone({ least: '1s', most: '24d' }), 'none', {
      help: 'After how long a task that still runs is ended, unless [timeouts] names its type; none: never. Clone and migrate can take hours.',
      unit: 'duration',
    }),
    nice: key(integer(0, 19), '0', {
      help: 'By how much tasks give way to other processes: 0 not at all, 19 the most.',
    }),
  })

  const timeouts = names(
    'After how long a task of this type that still runs is ended: TYPE = DURATION, or none. It outranks [drush] timeout.',
    taskType,
    durationOrNone({ least: '1s', most: '24d' }),
  )

  const log = section("Skynet's own log.", {
    level: key(choice('trace', 'debug', 'info', 'warn', 'error', 'fatal'), 'info', {
      help: 'The least that is logged: trace, debug, info, warn, error or fatal.',
    }),
    format: key(choice('auto', 'pretty', 'json'), 'auto', {
      help: 'pretty for people, json for programs; auto: pretty on a terminal, else json.',
    }),
    file: key(pathOrNone(home), 'none', { help: 'File that the log is appended to; none: standard output.' }),
  })

  const schedule = names(
    'Drush commands of the hostmaster site and when to run them: NAME = CRON EXPRESSION (minute, hour, day, month, day of the week; a day must fit both of its fields). They take no slot of the tasks; every pause holds them.',
    scheduledCommand,
    v.pipe(v.string(), v.check(isCron, 'must be a cron expression such as */5 * * * *')),
  )

  const cron = section('How the times in [schedule] are meant.', {
    time_zone: key(timeZoneOrAuto(), 'auto', {
      help: "Time zone of the times in [schedule], such as Europe/Berlin; auto: the machine's.",
    }),
  })

  const limits = section('How much may run side by side where there is more than one slot.', {
    runs_per_web_server: key(integer(1, 256), '3', {
      help: 'How many tasks may run at the same time on one web server: its restarts and package synchronisation are not concurrency-proof.',
    }),
    site_verifies_per_platform: key(integer(1, 256), '2', {
      help: 'How many sites of one platform may be verified at the same time.',
    }),
  })

  const locks = names(
    'Task types of contributed modules and what each takes for itself alone, besides its own object: TYPE = site, platform, web_server, db_server, database or everything. A type that is neither known nor named here takes its object, its platform and its servers.',
    taskType,
    listOf('site', 'platform', 'web_server', 'db_server', 'database', 'everything'),
  )

  const state = section('What Skynet keeps on disk.', {
    dir: key(path(home), DEFAULT_STATE_DIR, {
      help: 'Where the records and outputs of the runs are kept; on a local disk, for Skynet alone.',
    }),
    keep: key(duration({ least: '1h', most: '3650d' }), '14d', {
      help: 'How long the record of a settled run is kept.',
      unit: 'duration',
    }),
    keep_bytes: key(size({ least: '1M', most: '1024G' }), '1G', {
      help: 'How much room all records may take; the oldest go first.',
      unit: 'size',
    }),
    output_limit: key(size({ least: '64K', most: '64G' }), '16M', {
      help: 'How long the output of one run may grow; beyond it, its end is kept.',
      unit: 'size',
    }),
    min_free: key(size({ least: '0', most: '1024G' }), '100M', {
      help: 'No task is started while the disk has less room than this.',
      unit: 'size',
    }),
  })

  const wake = section('How new tasks are noticed at once.', {
    socket: key(socketPath(home), '~/config/skynet-wake/wake', {
      help: "The Unix socket by which the Drupal module says that a task was queued; its folder is 0710, of the web server's group.",
    }),
  })

  const metrics = section('What a monitoring system can read.', {
    listen: key(listenOrNone(home), 'none', {
      help: 'Where Prometheus and the like ask for /metrics, /livez and /readyz over HTTP: HOST:PORT, such as 127.0.0.1:9464, or the path of a Unix socket; none: nowhere.',
    }),
  })

  const notify = section('Who is told when something goes wrong.', {
    on_failure: key(pathOrNone(home), 'none', {
      help: 'The program that is told of failed, parked and overlong tasks, of a late queue, of a lost database and of changes of leadership: it is run without arguments and gets the event as JSON on its standard input; none: nobody is told.',
    }),
    queue_age: key(duration({ least: '1s', most: '365d' }), '1h', {
      help: 'A task that has been waiting for longer than this is told of.',
      unit: 'duration',
    }),
  })

  return v.object({
    // Its keys have no default: without them it is said which are missing.
    database: v.optional(database, {} as v.InferInput<typeof database>),
    queue: v.optional(queue, {}),
    drush: v.optional(drush, {}),
    timeouts: v.optional(timeouts, {}),
    log: v.optional(log, {}),
    limits: v.optional(limits, {}),
    locks: v.optional(locks, {}),
    schedule: v.optional(schedule, {}),
    cron: v.optional(cron, {}),
    state: v.optional(state, {}),
    wake: v.optional(wake, {}),
    metrics: v.optional(metrics, {}),
    notify: v.optional(notify, {}),
  })
}

export type ConfigSchema = ReturnType<typeof configSchema>

/** The configuration in force: durations in milliseconds, sizes in bytes, paths absolute. */
export type Config = v.InferOutput<ConfigSchema>

export type Section = keyof Config
