import { SkynetError } from '../config/skynet-error.js'
import type { VerbContext } from './program.js'
import { programStep, superviseStep, unitStep } from './setup/daemon-steps.js'
import { enableStep, verifyStep } from './setup/drush-steps.js'
import { findFacts, type Facts, type SetupOptions } from './setup/facts.js'
import { moduleStep } from './setup/module-step.js'
import { strayRunnerStep, supervisedRunnerStep, unitRunnerStep } from './setup/old-runner-steps.js'
import { SetupRecord } from './setup/record.js'
import type { SetupStep } from './setup/step.js'

/**
 * `skynet setup`: everything between an installed package and a queue that runs under Skynet, step by step; or, with
 * `--remove`, all of it back. @returns the exit status. @throws SkynetError
 */
export async function setup(options: SetupOptions, context: VerbContext): Promise<number> {
  const say = (text: string) => void process.stdout.write(`${text}\n`)
  // What is made for Aegir and Supervisor may be read by all.
  process.umask(0o022)
  const facts = await findFacts(options, context.environment, say)
  const record = SetupRecord.open(options.record, facts.user.name)
  const steps = stepsOf(facts)
  const { user, site, drush, supervisorDir } = facts
  say(
    `Aegir of ${user.name} in ${user.home}: ${site.uri} in ${site.root}, ${drush}, ${supervisorDir ? `Supervisor in ${supervisorDir}` : 'no Supervisor'}`,
  )
  if (options.remove) return remove(steps, record, options, say)
  for (const [index, step] of steps.entries()) {
    const isDone = await step.isDone()
    say(`${index + 1}. ${step.describe}${isDone ? ': done already' : ''}`)
    if (isDone || options.dryRun) continue
    const before = record.has(step.name) ? record.before(step.name) : await step.before()
    record.add(step.name, before)
    await step.do(before)
  }
  say(options.dryRun ? 'Nothing was changed.' : 'Done. To undo it: sudo skynet setup --remove')
  return 0
}

/** Undoes what setup has noted, the last step first. */
async function remove(
  steps: SetupStep[],
  record: SetupRecord,
  { dryRun, record: file }: SetupOptions,
  say: (text: string) => void,
): Promise<number> {
  if (record.isEmpty) {
    throw new SkynetError('FAILED', `There is nothing to undo: ${file} is not there, in which setup notes what it did.`)
  }
  const noted = steps.filter(({ name }) => record.has(name)).reverse()
  for (const [index, step] of noted.entries()) {
    say(`${index + 1}. ${step.undescribe}`)
    if (dryRun) continue
    await step.undo(record.before(step.name))
    record.remove(step.name)
  }
  say(dryRun ? 'Nothing was changed.' : 'Done: Skynet no longer runs the queue.')
  return 0
}

/** In the order in which they are done. */
function stepsOf(facts: Facts): SetupStep[] {
  const { supervisorDir } = facts
  const steps =
    supervisorDir === null
      ? [unitRunnerStep(facts), strayRunnerStep(facts), enableStep(facts), verifyStep(facts), unitStep(facts)]
      : [
          supervisedRunnerStep(facts, supervisorDir),
          unitRunnerStep(facts),
          strayRunnerStep(facts),
          enableStep(facts),
          verifyStep(facts),
          programStep(facts, supervisorDir),
          superviseStep(facts),
        ]
  // What each notes comes back to it alone.
  return [moduleStep(facts), ...steps] as SetupStep[]
}
