import type { WaitingGroup, WaitingStatus } from '../daemon/status.js'
import { duration } from './duration.js'
import { widthOf, wrap, type Screen } from './screen.js'
import { INDENT, cut, labelled, named, type View } from './status-layout.js'

/** The waiting tasks, grouped by what they wait for. */
export function waiting(view: View): string[] {
  const { count, oldest_since, by_reason } = view.status.waiting
  const oldest = oldest_since === null ? '' : `, the oldest for ${duration(view.now - oldest_since)}`
  const width = Math.max(0, ...by_reason.map((group) => String(group.count).length))
  return [
    ...labelled(view, 'Waiting', `${count}${oldest}`),
    ...by_reason.flatMap((group) => waitingGroup(view, group, width)),
  ]
}

/** What the waiting tasks of a group have in common; `own`: each of them has something of its own to say besides. */
export const REASONS: Record<WaitingGroup['reason'], { text: string; own?: true }> = {
  next: { text: 'to be started next' },
  paused: { text: 'until the queue is resumed' },
  'task-paused': { text: 'until their type or object is resumed', own: true },
  'not-leading': { text: 'for the daemon that leads' },
  'foreign-lock': { text: "for Aegir's queue lock, which another runner holds" },
  outage: { text: 'until tasks can be run at all' },
  overloaded: { text: 'for a lower load' },
  stopping: { text: 'for the next daemon: this one is stopping' },
  'claimed-elsewhere': { text: 'for another Skynet, which has claimed them', own: true },
  parked: { text: 'for another attempt', own: true },
  settling: { text: 'to settle: only just queued' },
  'behind-same-object': { text: 'for another task of the same object', own: true },
  'waits-for-lock': { text: 'for something that another task is using', own: true },
  'must-not-overtake': { text: 'behind a task that needs the same', own: true },
  'server-limit': { text: 'for room on a web server', own: true },
  'platform-limit': { text: 'for room on a platform', own: true },
  'no-free-slot': { text: 'for a free slot' },
}

function waitingGroup({ screen }: View, { reason, count, tasks }: WaitingGroup, width: number): string[] {
  const { text, own } = REASONS[reason]
  const head = `${INDENT}${String(count).padStart(width)}  ${text}`
  if (!own) return [listed(screen, `${head}: `, tasks, count)]
  const inner = ' '.repeat(INDENT.length + width + 2)
  const below = inner + INDENT
  const sentences = [...new Set(tasks.map((task) => task.reason))]
  return [
    cut(screen, head),
    ...sentences.flatMap((sentence) => {
      const its = tasks.filter((task) => task.reason === sentence)
      // Those that are not listed may wait for something else; only where there is one sentence is it taken for theirs.
      const line = listed(screen, inner, its, sentences.length === 1 ? count : its.length)
      if (widthOf(line) + 2 + widthOf(sentence) <= screen.width) return [`${line}  ${sentence}`]
      return [line, ...wrap(sentence, screen.width - below.length).map((part) => below + part)]
    }),
    ...(sentences.length > 1 && count > tasks.length ? [`${inner}… and ${count - tasks.length} more`] : []),
  ]
}

/** As many of the tasks as fit into the line, and how many there are besides. */
function listed(screen: Screen, head: string, tasks: readonly WaitingStatus[], count: number): string {
  const names = tasks.map(named)
  for (let shown = names.length; ; shown -= 1) {
    const more = count - shown
    const line = `${head}${names.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    if (shown <= 1 || widthOf(line) <= screen.width) return cut(screen, line)
  }
}
