import { Argument, Command, CommanderError, Option } from 'commander'
import type { ConfigVerbOptions, VerbIo } from './config-check.js'
import { SkynetError } from '../config/skynet-error.js'

/** What a verb may use of the process that it runs in. */
export interface VerbContext {
  version: string
  environment: NodeJS.ProcessEnv
}

/** Runs the command line. @returns the exit status. */
export async function main(argv: string[], version: string): Promise<number> {
  const context: VerbContext = { version, environment: process.env }
  let status = 0
  const program = commandTree(context, (code) => (status = code))
  try {
    await program.parseAsync(argv)
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return report(error)
  }
}

/** Says what happened and what to do on standard error. @returns the exit status. */
function report(error: unknown): number {
  if (error instanceof SkynetError) {
    process.stderr.write(`skynet: ${error.message}\n${error.remedy === undefined ? '' : `${error.remedy}\n`}`)
    return error.exitStatus
  }
  process.stderr.write(`skynet: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 1
}

/** Every verb with its options and help. A verb's code is loaded only when it runs: `--version` needs none of it. */
export function commandTree(context: VerbContext, done: (status: number) => void): Command {
  const program = new Command('skynet')
    .description('Runs the task queue of Aegir: finds waiting tasks at once, runs each exactly once, explains itself.')
    .version(context.version, '-V, --version', 'print the version')
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('The verbs and their options: skynet --help, skynet help <verb>')
    .configureHelp({ sortSubcommands: false })
    .helpCommand('help [verb]', 'print the help of a verb')
    .addHelpText('after', example('skynet queued', 'runs the queue in the foreground'))
    .addHelpText('after', EXIT_STATUSES)

  program
    .command('queued')
    .alias('q')
    .description('the daemon: runs the queue, in the foreground')
    .addOption(configFileOption())
    .option('-v, --verbose', 'log more (level debug)')
    .option('--daemon', 'detach; returns when the daemon leads or stands by, or says why it does not')
    .option('--once', 'drain the queue, then leave')
    .option('--wait', 'wait for a missing or bad configuration or an unreachable database instead of leaving')
    .option('--no-standby', 'leave with status 75 where another daemon leads, instead of waiting to take over')
    .option('--allow-root', 'run as root (containers and tests; drush itself refuses root)')
    .option('--set <section.key=value>', 'set a key of skynet.conf for this run; may be given more than once', collect)
    .addHelpText('after', example('skynet queued --wait', 'what the Supervisor program runs'))
    .addHelpText('after', SIGNALS)
    .action(async (options: Record<string, unknown>) => {
      const { queued } = await import('./queued.js')
      done(await queued({ set: [], ...options } as never, context))
    })

  program
    .command('status')
    .description('what the daemon is doing, and why not more')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addOption(new Option('-w, --watch', 'draw it anew each second until q or Ctrl-C').conflicts('json'))
    .addHelpText('after', example('skynet status --json | jq .waiting.count', 'how many tasks wait'))
    .addHelpText('after', '\nExit status: 0 healthy; 1 degraded: needs attention; 69 no daemon is running')
    .action(async (options: Record<string, unknown>) => {
      const { status } = await import('./status.js')
      done(await status(options, context))
    })

  program
    .command('tasks')
    .description('list tasks, the latest first: waiting, running and ended ones')
    .addOption(configFileOption())
    .addOption(
      new Option('--status <status...>', "of these statuses of Aegir's").choices([
        'queued',
        'processing',
        'success',
        'warning',
        'error',
      ]),
    )
    .option('--object <object>', 'of this site, platform or server')
    .option('--type <type>', 'of this type, such as verify')
    .option('--since <time>', 'queued or started since: 30m, 2h, 7d ago, or a date')
    .option('-n, --limit <number>', 'so many at most (default: 50)')
    .option('--json', 'print JSON, one object a line')
    .addHelpText('after', example('skynet tasks --status error --since 1d', 'what failed since yesterday'))
    .action(async (options: Record<string, unknown>) => {
      const { tasks } = await import('./tasks.js')
      done(await tasks(options, context))
    })

  program
    .command('show <nid>')
    .description('one task: object, arguments, every run, why it waits, the end of its log and output')
    .addOption(configFileOption())
    .option('-n, --lines <number>', 'so many lines of its log and output', '10')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet show 130', 'the task whose node is 130; secrets are masked'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { show } = await import('./show.js')
      done(await show(nid, options as never, context))
    })

  program
    .command('tail [nid]')
    .description("a task's own log and output; without a nid, of all tasks that are being run")
    .addOption(configFileOption())
    .option('-f, --follow', 'go on with what comes, until the task has ended or Ctrl-C')
    .option('-n, --lines <number>', 'begin with so many lines of what is there', '20')
    .option('--json', 'print JSON, one object a line')
    .addHelpText('after', example('skynet tail -f', 'what running tasks say, as they say it; secrets masked'))
    .action(async (nid: string | undefined, options: Record<string, unknown>) => {
      const { tail } = await import('./tail/tail.js')
      done(await tail(nid, options as never, context))
    })

  program
    .command('history')
    .description('how many tasks of each type were started, how many failed, how long they waited and took')
    .addOption(configFileOption())
    .option('--since <time>', 'started since: 2h, 7d ago, or a date', '1d')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet history --since 7d', 'the week'))
    .action(async (options: Record<string, unknown>) => {
      const { history } = await import('./history.js')
      done(await history(options as never, context))
    })

  program
    .command('pause')
    .description('start no more tasks, or none of a type or an object; those that run go on. A restart does not resume')
    .addOption(configFileOption())
    .option('--reason <text>', 'why, for whoever asks later')
    .option('--until <time>', 'resume by itself: after 2h, at 18:00, at 2026-12-01T06:00')
    .option('--type <type>', 'only tasks of this type, such as migrate')
    .option('--object <name>', 'only tasks of this site, platform or server')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet pause --reason "database maintenance"', 'until skynet resume'))
    .addHelpText('after', example('skynet pause --type migrate --until 18:00', 'no migrate in office hours'))
    .action(async (options: Record<string, unknown>) => {
      const { pause } = await import('./pause.js')
      done(await pause({ reason: '', ...options }, context))
    })

  program
    .command('resume')
    .description('go on after skynet pause, or after the pause of a first start')
    .addOption(configFileOption())
    .option('--type <type>', 'end the pause of this type')
    .option('--object <name>', 'end the pause of this site, platform or server')
    .option('--all', 'end every pause that skynet pause has made')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet resume', 'starts the waiting tasks'))
    .action(async (options: Record<string, unknown>) => {
      const { resume } = await import('./pause.js')
      done(await resume(options, context))
    })

  program
    .command('fail <nid>')
    .description('mark a stuck task as failed: one that is processing while no process of it is alive')
    .addOption(configFileOption())
    .requiredOption('--reason <text>', 'why; it stands in the log of the task, where clients of Aegir see it')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet fail 130 --reason "the server lost power"', 'then retry it in Aegir'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { fail } = await import('./fail.js')
      done(await fail(nid, options as never, context))
    })

  program
    .command('queue <context> <type> [arguments...]')
    .description('queue a task, as Aegir does: name=value for each of its arguments')
    .addOption(configFileOption())
    .option('--wait', 'wait for its end, and say how it stands; exit status 0 if it succeeds, 1 if not')
    .option('--timeout <duration>', 'with --wait: how long at most, such as 30m')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet queue @blog.example.com verify --wait', 'a verify of that site'))
    .action(async (object: string, type: string, args: string[], options: Record<string, unknown>) => {
      const { queue } = await import('./queue.js')
      done(await queue(object, type, args, options, context))
    })

  program
    .command('retry <nid>')
    .description('queue a task that failed once more: same object, type and arguments, another nid')
    .addOption(configFileOption())
    .option('--wait', 'wait for its end, and say how it stands; exit status 0 if it succeeds, 1 if not')
    .option('--timeout <duration>', 'with --wait: how long at most, such as 30m')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet retry 130 --wait', 'what failed as task 130'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { retry } = await import('./retry.js')
      done(await retry(nid, options, context))
    })

  program
    .command('cancel <nid>')
    .description('cancel a task: a waiting one, or a running one, whose drush is ended with all that it started')
    .addOption(configFileOption())
    .option('--reason <text>', 'why; it stands in the log of the task, where clients of Aegir see it', '')
    .option('--grace <duration>', 'how long a running task may take to end, before it is killed', '30s')
    .option('-y, --yes', 'do not ask, also where that leaves something half done (a migrate, an install, …)')
    .option('--json', 'print JSON; asks nothing')
    .addHelpText('after', example('skynet cancel 130 --reason "wrong platform"', 'asks first if that is not safe'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { cancel } = await import('./cancel.js')
      done(await cancel(nid, options as never, context))
    })

  program
    .command('drain')
    .description('start nothing more, and leave when the running tasks have ended (as signal INT)')
    .addOption(configFileOption())
    .option('--no-wait', 'return at once')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet drain', 'before the machine is switched off'))
    .action(async (options: Record<string, unknown>) => {
      const { drain } = await import('./leave.js')
      done(await drain(options as never, context))
    })

  program
    .command('stop')
    .description('leave at once; running tasks go on, and the next start adopts them (as signal TERM)')
    .addOption(configFileOption())
    .option('--no-wait', 'return at once')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet stop', 'a daemon that Supervisor keeps up: supervisorctl stop skynet-queue'))
    .action(async (options: Record<string, unknown>) => {
      const { stop } = await import('./leave.js')
      done(await stop(options as never, context))
    })

  program
    .command('reload')
    .description('read the configuration again and open the log anew (as signal HUP); refuses a bad configuration')
    .addOption(configFileOption())
    .addHelpText('after', example('skynet reload', 'after the log file was moved; changes are noticed without it'))
    .action(async (options: Record<string, unknown>) => {
      const { reload } = await import('./reload.js')
      done(await reload(options, context))
    })

  program
    .command('log-level <level>')
    .description('set how much the daemon logs: trace, debug, info, warn, error or fatal')
    .addOption(configFileOption())
    .option('--for <duration>', 'back to the level of the configuration after so long')
    .addHelpText('after', example('skynet log-level debug --for 10m', 'see more for ten minutes'))
    .action(async (level: string, options: Record<string, unknown>) => {
      const { logLevel } = await import('./log-level.js')
      done(await logLevel(level, options, context))
    })

  program
    .command('doctor')
    .description('look at all that an administrator would look at, and say what to do; changes nothing')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .option('--supervisor-dir <folder>', "folder of Supervisor's programs", '/etc/supervisor/conf.d')
    .option('--logrotate-dir <folder>', "folder of logrotate's configuration", '/etc/logrotate.d')
    .addHelpText('after', example('sudo -u aegir skynet doctor', 'exit status 0, 1 (warnings) or 2 (failures)'))
    .action(async (options: Record<string, unknown>) => {
      const { doctor } = await import('./doctor.js')
      done(await doctor(options as never, context))
    })

  program
    .command('setup')
    .description('put the queue of an Aegir under Skynet: module, configuration, Supervisor; or all of it back')
    .option('--user <name>', 'the user that owns Aegir', 'aegir')
    .option('--dry-run', 'list what would be done, change nothing')
    .option('--remove', 'drain, stop, and put back what setup has changed')
    .option('--systemd', 'print a systemd unit instead of using Supervisor')
    .option('--supervisor-dir <folder>', "folder of Supervisor's programs", '/etc/supervisor/conf.d')
    .option('--log <file>', "the daemon's log under Supervisor (default: in /var/log/aegir, or /var/log/supervisor)")
    .option('--record <file>', 'where setup notes what it did (default: /var/lib/skynet/setup-USER.json)')
    .addHelpText('after', example('sudo skynet setup --dry-run', 'what it would do, step by step'))
    .action(async (options: Record<string, unknown>) => {
      const { setup } = await import('./setup.js')
      done(
        await setup({ record: `/var/lib/skynet/setup-${String(options['user'])}.json`, ...options } as never, context),
      )
    })

  program
    .command('why <nid>')
    .description('in one sentence, why a task is not running, or what became of it')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet why 130', 'the task whose node is 130'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { why } = await import('./why.js')
      done(await why(nid, options, context))
    })

  program
    .command('plan')
    .description('what would run side by side now, what would wait and why; starts nothing')
    .addOption(configFileOption())
    .option('--slots <number>', 'with so many slots (default: those that there are)')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet plan --slots 4', 'what four slots would bring'))
    .action(async (options: Record<string, unknown>) => {
      const { planVerb } = await import('./plan.js')
      done(await planVerb(options, context))
    })

  program
    .command('scale <slots>')
    .description('run so many tasks at the same time, until the next restart')
    .addOption(configFileOption())
    .addHelpText('after', example('skynet scale 4', 'for good: [queue] concurrent_tasks in local.skynet.conf'))
    .action(async (slots: string, options: Record<string, unknown>) => {
      const { scale } = await import('./scale.js')
      done(await scale(slots, options, context))
    })

  program
    .command('schedule')
    .description('what is run at its times: the last result, and the next five times')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet schedule', 'the drush commands of [schedule] in skynet.conf'))
    .action(async (options: Record<string, unknown>) => {
      const { schedule } = await import('./schedule.js')
      done(await schedule(options, context))
    })

  program
    .command('completion')
    .description('print a script that lets a shell complete verbs, options and nids')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', example('source <(skynet completion bash)', 'in ~/.bashrc; for zsh likewise in ~/.zshrc'))
    .addHelpText('after', example('skynet completion fish > ~/.config/fish/completions/skynet.fish', 'for fish'))
    .action(async (shell: string) => {
      const { completion } = await import('./completion/completion.js')
      completion(shell as never, program)
      done(0)
    })

  program
    .command('candidates <kind> <verb>', { hidden: true })
    .description('for the completion scripts: what of this kind there is for the verb')
    .addOption(configFileOption())
    .action(async (kind: string, verb: string, options: Record<string, unknown>) => {
      const { candidates } = await import('./completion/candidates.js')
      done(await candidates(kind as never, verb, options, context))
    })

  const config = program.command('config').description('the configuration').exitOverride()
  config
    .command('check')
    .description('check skynet.conf, its permissions and all its keys')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet config check', 'before a restart'))
    .action(async (options: Record<string, unknown>) => {
      const { configCheck } = await import('./config-check.js')
      done(await configCheck(configOptions(options), ioOf(context)))
    })
  config
    .command('show')
    .description('the configuration in force, and where each value comes from; secrets are masked')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet config show', 'every key with its origin'))
    .action(async (options: Record<string, unknown>) => {
      const { configShow } = await import('./config-show.js')
      done(await configShow(configOptions(options), ioOf(context)))
    })
  return program
}

const EXIT_STATUSES = `
Exit status:
  0 done; 1 failed; 2 wrong usage; 69 database or daemon not reachable;
  75 already running; 77 not allowed; 78 bad configuration`

const SIGNALS = `
Signals:
  TERM  leave at once; running tasks go on and the next start adopts them
  INT   leave when the running tasks have ended; a second INT leaves at once
  HUP   read the configuration again and reopen the log
  USR1  log more (one level); USR2 logs less`

function configFileOption(): Option {
  return new Option('-c, --config_file <file>', 'skynet.conf (default: ~/config/skynet/skynet.conf)')
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function example(command: string, what: string): string {
  return `\nExample:\n  ${command}   # ${what}`
}

function configOptions({ config_file, json }: Record<string, unknown>): ConfigVerbOptions {
  return { file: config_file as string | undefined, json: json === true }
}

function ioOf({ environment }: VerbContext): VerbIo {
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    environment,
  }
}
