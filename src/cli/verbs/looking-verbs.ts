import { Option, type Command } from 'commander'
import type { VerbContext } from '../program.js'
import { configFileOption, example } from './verb-help.js'

/** The verbs that read and change nothing. A verb's code is loaded only when it runs. */
export function addLookingVerbs(program: Command, context: VerbContext, done: (status: number) => void): void {
  program.commandsGroup('Look:')

  program
    .command('status')
    .description('what the daemon is doing, and why not more')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addOption(new Option('-w, --watch', 'draw it anew each second until q or Ctrl-C').conflicts('json'))
    .addHelpText('after', example('skynet status --json | jq .waiting.count', 'how many tasks wait'))
    .addHelpText('after', '\nExit status: 0 healthy; 1 degraded: needs attention; 69 no daemon is running')
    .action(async (options: Record<string, unknown>) => {
      const { status } = await import('../status.js')
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
      const { tasks } = await import('../tasks.js')
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
      const { show } = await import('../show.js')
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
      const { tail } = await import('../tail/tail.js')
      done(await tail(nid, options as never, context))
    })

  program
    .command('why <nid>')
    .description('in one sentence, why a task is not running, or what became of it')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet why 130', 'the task whose node is 130'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { why } = await import('../why.js')
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
      const { planVerb } = await import('../plan.js')
      done(await planVerb(options, context))
    })

  program
    .command('history')
    .description('how many tasks of each type were started, how many failed, how long they waited and took')
    .addOption(configFileOption())
    .option('--since <time>', 'started since: 2h, 7d ago, or a date', '1d')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet history --since 7d', 'the week'))
    .action(async (options: Record<string, unknown>) => {
      const { history } = await import('../history.js')
      done(await history(options as never, context))
    })

  program
    .command('schedule')
    .description('what is run at its times: the last result, and the next five times')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet schedule', 'the drush commands of [schedule] in skynet.conf'))
    .action(async (options: Record<string, unknown>) => {
      const { schedule } = await import('../schedule.js')
      done(await schedule(options, context))
    })
}
