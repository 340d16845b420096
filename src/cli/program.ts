import { Command, CommanderError } from 'commander'
import { SkynetError } from '../config/skynet-error.js'
import { addDaemonVerbs } from './verbs/daemon-verbs.js'
import { addInstallationVerbs } from './verbs/installation-verbs.js'
import { addLookingVerbs } from './verbs/looking-verbs.js'
import { addTaskVerbs } from './verbs/task-verbs.js'
import { example } from './verbs/verb-help.js'

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
    .configureHelp({ sortSubcommands: false, minWidthToWrap: 30, subcommandTerm: termOf })
    .helpCommand(false)
    .addHelpText('after', example('skynet queued', 'runs the queue in the foreground'))
    .addHelpText('after', EXIT_STATUSES)
  for (const add of [addDaemonVerbs, addLookingVerbs, addTaskVerbs, addInstallationVerbs]) add(program, context, done)
  addHelp(program)
  return program
}

/** `skynet help config check`: commander's own takes one word, and says nothing of one that it does not know. */
function addHelp(program: Command): void {
  program
    .command('help [verb...]')
    .description('print the help of a verb')
    .helpGroup('Help:')
    .addHelpText('after', example('skynet help config check', 'what that verb does, and its options'))
    .action((words: string[]) => {
      let command = program
      for (const word of words) {
        const next = command.commands.find((verb) => verb.name() === word || verb.aliases().includes(word))
        if (!next) return program.error(`error: there is no verb “${word.slice(0, 40)}” to help with`)
        command = next
      }
      command.outputHelp()
    })
}

/** A verb in the list of all; that it has options goes without saying, and leaves no room for what it does. */
function termOf(verb: Command): string {
  const names = [verb.name(), ...verb.aliases()].join('|')
  return `${names} ${verb.usage().replace('[options]', '').trim()}`.trim()
}

const EXIT_STATUSES = `
Exit status:
  0 done; 1 failed; 2 wrong usage; 69 database or daemon not reachable;
  75 already running; 77 not allowed; 78 bad configuration`
