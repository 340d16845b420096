import { TASK_STATUS } from '../../hostmaster/task.js'
import { readObjectNames, readTaskList } from '../../hostmaster/task-list.js'
import { printable } from '../../observe/printable.js'
import { withDatabase } from '../database-view.js'
import type { VerbContext } from '../program.js'
import { statusWord } from '../task-state.js'
import type { CandidateKind } from './command-words.js'

/** A menu that is longer helps nobody. */
const MOST_TASKS = 50
const MOST_OBJECTS = 1_000

/** Verbs that act on tasks of certain statuses alone. */
const STATUSES: Record<string, number[]> = {
  fail: [TASK_STATUS.processing],
  cancel: [TASK_STATUS.processing, TASK_STATUS.queued],
  retry: [TASK_STATUS.error, TASK_STATUS.warning],
}

/** What a shell may put onto the command line as it is. */
const PLAIN_WORD = /^[\w@][\w.@+-]*$/

/** For the completion scripts: a word a line, with a tab and what it is. @throws SkynetError, which nobody sees */
export async function candidates(
  kind: CandidateKind,
  verb: string,
  options: { config_file?: string },
  context: VerbContext,
): Promise<number> {
  const words = await withDatabase(options.config_file, context.environment, async ({ connection }) => {
    switch (kind) {
      case 'nid': {
        const statuses = STATUSES[verb]
        const tasks = await readTaskList(connection, statuses ? { statuses } : {}, MOST_TASKS)
        return tasks.map(({ nid, type, object, status }) => ({
          word: String(nid),
          what: `${type} ${object} (${statusWord(status)})`,
        }))
      }
      case 'object':
        return (await readObjectNames(connection, MOST_OBJECTS)).map((name) => ({ word: name, what: '' }))
    }
  })
  const lines = words
    .filter(({ word }) => PLAIN_WORD.test(word))
    .map(({ word, what }) => `${word}\t${printable(what)}\n`)
  process.stdout.write(lines.join(''))
  return 0
}
