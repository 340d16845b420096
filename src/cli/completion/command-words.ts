import type { Argument, Command, Option } from 'commander'
import { knownTypes } from '../../scheduler/task-types.js'

/** What may stand in a place of the command line. */
export type Place =
  | { kind: 'words'; words: readonly string[] }
  | { kind: 'file' | 'folder' }
  /** What `skynet candidates` finds in the database. */
  | { kind: 'candidates'; of: CandidateKind }
  | { kind: 'anything' }

export type CandidateKind = 'nid' | 'object'

export interface OptionWords {
  /** `-c`, `--config_file`. */
  flags: string[]
  description: string
  /** undefined: it takes no value. */
  value: Place | undefined
}

export interface VerbWords {
  /** `config check`; '' for the program itself. */
  verb: string
  options: OptionWords[]
  /** Verbs below it. */
  verbs: { name: string; description: string }[]
  places: Place[]
}

/** The words of the command line, as the verbs themselves are made of: the program first. Hidden ones are left out. */
export function wordsOf(program: Command): VerbWords[] {
  return wordsBelow(program, '')
}

function wordsBelow(command: Command, verb: string): VerbWords[] {
  const help = command.createHelp()
  const below = help.visibleCommands(command)
  const own: VerbWords = {
    verb,
    options: help.visibleOptions(command).map(optionWords),
    verbs: below.flatMap((each) => {
      const description = each.description()
      return [each.name(), ...each.aliases()].map((name) => ({ name, description }))
    }),
    places: command.registeredArguments.map(placeOfArgument),
  }
  const others = below.flatMap((each) =>
    [each.name(), ...each.aliases()].flatMap((name) => wordsBelow(each, `${verb} ${name}`.trim())),
  )
  const names = own.verbs.map(({ name }) => name)
  return [own, ...others].map((each) =>
    each.verb === `${verb} help`.trim() ? { ...each, places: [{ kind: 'words', words: names }] } : each,
  )
}

function optionWords(option: Option): OptionWords {
  const flags = [option.short, option.long].filter((flag) => flag !== undefined)
  const takesValue = option.required || option.optional
  const name = /[<[]([\w.]+)/.exec(option.flags)?.[1] ?? ''
  const value = takesValue ? placeOf(option.argChoices, name.replace(/\.+$/, '')) : undefined
  return { flags, description: option.description, value }
}

function placeOfArgument(argument: Argument): Place {
  return placeOf(argument.argChoices, argument.name())
}

/** The name between the angle brackets says what it is. */
function placeOf(choices: readonly string[] | undefined, name: string): Place {
  if (choices) return { kind: 'words', words: choices }
  switch (name) {
    case 'file':
    case 'folder':
      return { kind: name }
    case 'nid':
    case 'object':
      return { kind: 'candidates', of: name }
    case 'type':
      return { kind: 'words', words: knownTypes().sort() }
    default:
      return { kind: 'anything' }
  }
}
