import { readUsualDurations } from '../daemon/usual-durations.js'
import { printable } from '../observe/printable.js'
import { estimate } from '../scheduler/estimate.js'
import { describeReason, plan, type Reason, type WaitingTask } from '../scheduler/plan.js'
import { namesIn } from '../scheduler/topology.js'
import type { VerbContext } from './program.js'
import { withQueueView } from './queue-view.js'
import { wholeNumber } from './scale.js'
import { duration } from './duration.js'
import { screenOf, widthOf, wrap, type Screen } from './screen.js'

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
      // Whoever runs them: without a daemon its runs look like somebody else's.
      const running = input.running.filter(({ kind }) => kind !== 'stuck')
      if (options.json) {
        const waiting = [...planned.waiting].map(([nid, reason]) => ({ nid, reason, sentence: say(reason) }))
        const start = planned.start.map(({ task, footprint }) => ({ nid: task.nid, locks: footprint.locks }))
        process.stdout.write(
          `${JSON.stringify({ slots, paused: paused ?? null, running: running.length, start, waiting, estimates }, null, 2)}\n`,
        )
        return 0
      }
      const lines = planLines(
        {
          slots,
          paused: paused && say(paused),
          isDaemonDown: !status,
          running,
          start: planned.start.map(({ task }) => task),
          waiting: input.waiting.flatMap((task) => {
            const reason = planned.waiting.get(task.nid)
            return reason ? [{ ...task, reason: say(reason) }] : []
          }),
          estimates,
        },
        screenOf(process.stdout, context.environment),
      )
      process.stdout.write(`${lines.join('\n')}\n`)
      return 0
    },
  )
}

type Named = Pick<WaitingTask, 'nid' | 'type' | 'object'>

/** What `skynet plan` tells a person; reasons are sentences, fit to be printed. */
export interface ShownPlan {
  slots: number
  /** Why nothing starts now; undefined: nothing is in the way. */
  paused: string | undefined
  isDaemonDown: boolean
  running: readonly Named[]
  start: readonly Named[]
  waiting: readonly (Named & { reason: string })[]
  /** `seconds` undefined: the queue never ends. */
  estimates: readonly { slots: number; seconds?: number | undefined }[]
}

export function planLines(shown: ShownPlan, screen: Screen): string[] {
  const { paused, isDaemonDown, running, start, waiting, estimates } = shown
  const slots = (count: number) => `${count} ${count === 1 ? 'slot' : 'slots'}`
  return [
    ...(paused === undefined ? [] : wrap(`${paused} Were it not:`, screen.width)),
    `With ${slots(shown.slots)}${isDaemonDown ? ' (the daemon does not run)' : ''}:`,
    ...section('Running', running, screen),
    ...section('Would start now', start, screen),
    ...section('Would wait', waiting, screen),
    '',
    ...estimates.map(({ slots: count, seconds }) => {
      const how =
        seconds === undefined ? 'it never ends, because a task can never start' : `about ${duration(seconds * 1000)}`
      return `The whole queue with ${slots(count)}: ${how}`
    }),
  ]
}

/** Tasks under a title; a reason that does not fit behind its task stands below it. */
function section(title: string, tasks: readonly (Named & { reason?: string })[], screen: Screen): string[] {
  const listed = tasks.slice(0, LISTED).flatMap(({ nid, type, object = '', reason }) => {
    const head = printable(`  ${nid}  ${type} ${object}`)
    if (reason === undefined) return [head]
    const line = `${head}  ${reason}`
    if (widthOf(line) <= screen.width) return [line]
    return [head, ...wrap(reason, screen.width - BELOW.length).map((part) => BELOW + part)]
  })
  const more = tasks.length > LISTED ? [`  … and ${tasks.length - LISTED} more`] : []
  return [`${title}: ${tasks.length}`, ...listed, ...more]
}

/** Before a reason that stands below its task. */
const BELOW = '      '
