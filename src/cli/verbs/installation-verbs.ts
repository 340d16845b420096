import { Argument, type Command } from 'commander'
import type { ConfigVerbOptions, VerbIo } from '../config-check.js'
import type { VerbContext } from '../program.js'
import { configFileOption, example } from './verb-help.js'

/** The verbs for installation and configuration. A verb's code is loaded only when it runs. */
export function addInstallationVerbs(program: Command, context: VerbContext, done: (status: number) => void): void {
  program.commandsGroup('Install:')

  program
    .command('doctor')
    .description('look at all that an administrator would look at, and say what to do; changes nothing')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .option('--supervisor-dir <folder>', "folder of Supervisor's programs", '/etc/supervisor/conf.d')
    .option('--logrotate-dir <folder>', "folder of logrotate's configuration", '/etc/logrotate.d')
    .addHelpText('after', example('sudo -u aegir skynet doctor', 'exit status 0, 1 (warnings) or 2 (failures)'))
    .action(async (options: Record<string, unknown>) => {
      const { doctor } = await import('../doctor.js')
      done(await doctor(options as never, context))
    })

  const config = program.command('config').description('the configuration').exitOverride().helpCommand(false)
  config
    .command('check')
    .description('check skynet.conf, its permissions and all its keys')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet config check', 'before a restart'))
    .action(async (options: Record<string, unknown>) => {
      const { configCheck } = await import('../config-check.js')
      done(await configCheck(configOptions(options), ioOf(context)))
    })
  config
    .command('show')
    .description('the configuration in force, and where each value comes from; secrets are masked')
    .addOption(configFileOption())
    .option('--json', 'print JSON')
    .addHelpText('after', example('skynet config show', 'every key with its origin'))
    .action(async (options: Record<string, unknown>) => {
      const { configShow } = await import('../config-show.js')
      done(await configShow(configOptions(options), ioOf(context)))
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
      const { setup } = await import('../setup.js')
      done(
        await setup({ record: `/var/lib/skynet/setup-${String(options['user'])}.json`, ...options } as never, context),
      )
    })

  program
    .command('completion')
    .description('print a script that lets a shell complete verbs, options and nids')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', example('source <(skynet completion bash)', 'in ~/.bashrc, or ~/.zshrc for zsh'))
    .addHelpText('after', example('skynet completion fish > ~/.config/fish/completions/skynet.fish', 'for fish'))
    .action(async (shell: string) => {
      const { completion } = await import('../completion/completion.js')
      completion(shell as never, program)
      done(0)
    })

  program
    .command('candidates <kind> <verb>', { hidden: true })
    .description('for the completion scripts: what of this kind there is for the verb')
    .addOption(configFileOption())
    .action(async (kind: string, verb: string, options: Record<string, unknown>) => {
      const { candidates } = await import('../completion/candidates.js')
      done(await candidates(kind as never, verb, options, context))
    })
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
