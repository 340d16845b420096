import type { Command } from 'commander'
import type { VerbContext } from '../program.js'
import { configFileOption, example } from './verb-help.js'

/** The verbs that are the daemon, or steer it as a whole. A verb's code is loaded only when it runs. */
export function addDaemonVerbs(program: Command, context: VerbContext, done: (status: number) => void): void {
  program.commandsGroup('The daemon:')

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
      const { queued } = await import('../queued.js')
      done(await queued({ set: [], ...options } as never, context))
    })

  program
    .command('drain')
    .description('start nothing more, and leave when the running tasks have ended (as signal INT)')
    .addOption(configFileOption())
    .option('--no-wait', 'return at once')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet drain', 'before the machine is switched off'))
    .action(async (options: Record<string, unknown>) => {
      const { drain } = await import('../leave.js')
      done(await drain(options as never, context))
    })

  program
    .command('stop')
    .description('leave at once; running tasks go on, and the next start adopts them (as signal TERM)')
    .addOption(configFileOption())
    .option('--no-wait', 'return at once')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet stop', 'under Supervisor: supervisorctl stop skynet-queue'))
    .action(async (options: Record<string, unknown>) => {
      const { stop } = await import('../leave.js')
      done(await stop(options as never, context))
    })

  program
    .command('reload')
    .description('read the configuration again and open the log anew (as signal HUP); refuses a bad configuration')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet reload', 'after the log file was moved; changes are noticed without it'))
    .action(async (options: Record<string, unknown>) => {
      const { reload } = await import('../reload.js')
      done(await reload(options, context))
    })

  program
    .command('log-level <level>')
    .description('set how much the daemon logs: trace, debug, info, warn, error or fatal')
    .addOption(configFileOption())
    .option('--for <duration>', 'back to the level of the configuration after so long')
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet log-level debug --for 10m', 'see more for ten minutes'))
    .action(async (level: string, options: Record<string, unknown>) => {
      const { logLevel } = await import('../log-level.js')
      done(await logLevel(level, options, context))
    })

  program
    .command('scale <slots>')
    .description('run so many tasks at the same time, until the next restart')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet scale 4', 'for good: [queue] concurrent_tasks in local.skynet.conf'))
    .action(async (slots: string, options: Record<string, unknown>) => {
      const { scale } = await import('../scale.js')
      done(await scale(slots, options, context))
    })
}

const SIGNALS = `
Signals:
  TERM  leave at once; running tasks go on and the next start adopts them
  INT   leave when the running tasks have ended; a second INT leaves at once
  HUP   read the configuration again and reopen the log
  USR1  log more (one level); USR2 logs less`

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}
