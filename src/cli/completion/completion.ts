import type { Command } from 'commander'
import { bashScript } from './bash.js'
import { wordsOf, type VerbWords } from './command-words.js'
import { fishScript } from './fish.js'
import { zshScript } from './zsh.js'

/** The shells that a script can be had for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

const SCRIPTS: Record<Shell, (verbs: readonly VerbWords[]) => string> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

/**
 * `skynet completion SHELL`: a script made of the very tree of commands that parses the command line. Verbs and options
 * are in it; the shell asks `skynet candidates` for the nids and names that are in the database.
 */
export function completion(shell: Shell, program: Command): void {
  process.stdout.write(SCRIPTS[shell](wordsOf(program)))
}
