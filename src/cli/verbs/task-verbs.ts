import type { Command } from 'commander'
import type { VerbContext } from '../program.js'
import { configFileOption, example } from './verb-help.js'

/** The verbs that act on tasks. A verb's code is loaded only when it runs. */
export function addTaskVerbs(program: Command, context: VerbContext, done: (status: number) => void): void {
  program.commandsGroup('Act:')

  program
    .command('queue <context> <type> [arguments...]')
    .description('queue a task, as Aegir does: name=value for each of its arguments')
    .addOption(configFileOption())
    .option('--wait', 'wait for its end, and say how it stands; exit status 0 if it succeeds, 1 if not')
    .option('--timeout <duration>', 'with --wait: how long at most, such as 30m')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet queue @blog.example.com verify --wait', 'a verify of that site'))
    .action(async (object: string, type: string, args: string[], options: Record<string, unknown>) => {
      const { queue } = await import('../queue.js')
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
      const { retry } = await import('../retry.js')
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
      const { cancel } = await import('../cancel.js')
      done(await cancel(nid, options as never, context))
    })

  program
    .command('fail <nid>')
    .description('mark a stuck task as failed: one that is processing while no process of it is alive')
    .addOption(configFileOption())
    .requiredOption('--reason <text>', 'why; it stands in the log of the task, where clients of Aegir see it')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet fail 130 --reason "the server lost power"', 'then retry it in Aegir'))
    .action(async (nid: string, options: Record<string, unknown>) => {
      const { fail } = await import('../fail.js')
      done(await fail(nid, options as never, context))
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
      const { pause } = await import('../pause.js')
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
      const { resume } = await import('../pause.js')
      done(await resume(options, context))
    })
}
