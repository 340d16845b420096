import { readUsualDurations } from '../daemon/usual-durations.js'
import { printable } from '../observe/printable.js'
import { estimate } from '../scheduler/estimate.js'
import { describeReason, plan, type Reason, type WaitingTask } from '../scheduler/plan.js'
import { namesIn } from '../scheduler/topology.js'
import type { VerbContext } from './program.js'
import { withQueueView } from './queue-view.js'
import { wholeNumber } from './scale.js'
import { duration } from './duration.js'

interface PlanOptions {
  config_file?: string
  slots?: string
  json?: boolean
}

/** Tasks of each kind that are listed for a person; the rest is a number. */
const LISTED = 20

/** `skynet plan`: what would run side by side, what would wait and why. It starts nothing. @throws SkynetError */
export async function planVerb(options: PlanOptions, context: VerbContext): Promise<number> {
  const wanted = options.slots === undefined ? undefined : wholeNumber(options.slots, 256, 'the number of slots')
  return withQueueView(
    options.config_file,
    context.environment,
    async ({ connection, highestVid, status, input, paused }) => {
      const slots = wanted ?? input.limits.concurrentTasks
      const planned = plan({ ...input, limits: { ...input.limits, concurrentTasks: slots } })
      const usual = await readUsualDurations(connection, highestVid)
      const durations = new Map([...usual].map(([type, { median_ms }]) => [type, median_ms / 1000]))
      const estimates = [...new Set([1, slots])].map((count) => estimate(input, durations, count))
      const nameOf = namesIn(input.topology)
      const say = (reason: Reason) => printable(describeReason(reason, nameOf))
      const running = input.running.filter(({ kind }) => kind === 'own' || kind === 'orphaned')
      if (options.json) {
        const waiting = [...planned.waiting].map(([nid, reason]) => ({ nid, reason, sentence: say(reason) }))
        const start = planned.start.map(({ task, footprint }) => ({ nid: task.nid, locks: footprint.locks }))
        process.stdout.write(
          `${JSON.stringify({ slots, paused: paused ?? null, running: running.length, start, waiting, estimates }, null, 2)}\n`,
        )
        return 0
      }
      const lines = [
        ...(paused ? [`${say(paused)} Were it not:`] : []),
        `With ${slots} ${slots === 1 ? 'slot' : 'slots'}${status ? '' : ' (the daemon does not run)'}:`,
        ...section('Running', running),
        ...section(
          'Would start now',
          planned.start.map(({ task }) => task),
        ),
        ...section(
          'Would wait',
          input.waiting.filter(({ nid }) => planned.waiting.has(nid)),
          ({ nid }) => {
            const reason = planned.waiting.get(nid)
            return reason ? `  ${say(reason)}` : ''
          },
        ),
        '',
        ...estimates.map(
          ({ slots: count, seconds }) =>
            `The whole queue with ${count} ${count === 1 ? 'slot' : 'slots'}: ${seconds === undefined ? 'it never ends, because a task can never start' : `about ${duration(seconds * 1000)}`}`,
        ),
      ]
      process.stdout.write(`${lines.join('\n')}\n`)
      return 0
    },
  )
}

type Named = Pick<WaitingTask, 'nid' | 'type' | 'object'>

function section<Task extends Named>(
  title: string,
  tasks: readonly Task[],
  note: (task: Task) => string = () => '',
): string[] {
  const listed = tasks
    .slice(0, LISTED)
    .map((task) => printable(`  ${task.nid}  ${task.type} ${task.object ?? ''}${note(task)}`))
  const more = tasks.length > LISTED ? [`  … and ${tasks.length - LISTED} more`] : []
  return [`${title}: ${tasks.length}`, ...listed, ...more]
}
