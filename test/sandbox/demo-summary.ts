import { seconds, colourOf } from './demo-follower.js'
import { STATUS_OF, type DemoTask, type Outcome } from './demo-queue.js'
import type { DemoScreen } from './demo-screen.js'
import type { Sandbox } from './sandbox.js'

/** What became of a task by the witnesses: Aegir's tables and the journal of the stand-in drush. */
interface Witnessed extends DemoTask {
  status: Outcome | 'queued' | 'processing' | 'unknown'
  /** How often drush began it, and how often it came to an end. */
  starts: number
  ends: number
  waitedMs: number
  tookMs: number
  /** Why it is not green, by Aegir's own log. */
  why: string | undefined
}

const HEAD = ' task  type         object             status   waited    took  runs of drush'

/** Prints the summary. @returns whether all went as it should */
export async function showSummary(sandbox: Sandbox, screen: DemoScreen, tasks: DemoTask[]): Promise<boolean> {
  const witnessed = await Promise.all(tasks.map((task) => witness(sandbox, task)))
  screen.say()
  screen.say(screen.paint('bold', HEAD))
  for (const task of witnessed) {
    const status = screen.paint(colourOf(task.status), task.status.padEnd(7))
    const what = `${String(task.nid).padStart(5)}  ${task.type.padEnd(12)} ${task.object.padEnd(18)}`
    screen.say(
      `${what} ${status} ${seconds(task.waitedMs)}  ${seconds(task.tookMs)}  ${String(task.starts).padStart(13)}`,
    )
  }
  screen.say()
  const red = witnessed.filter(({ why }) => why !== undefined)
  for (const { nid, why } of red) screen.say(`${String(nid).padStart(5)}  ${why ?? ''}`)

  const count = (outcome: Outcome): number => witnessed.filter(({ status }) => status === outcome).length
  const counts = `${count('success')} success, ${count('warning')} warning, ${count('error')} error`
  const wrong = witnessed.filter(
    ({ status, expected, starts, ends }) => status !== expected || starts !== 1 || ends !== 1,
  )
  screen.say()
  if (wrong.length === 0) {
    screen.say(`${witnessed.length} tasks: ${counts}, as they were meant to end.`)
    screen.say(screen.paint('green', 'By the journal of drush itself, each of them was run exactly once.'))
    return true
  }
  screen.say(screen.paint('red', `${witnessed.length} tasks: ${counts}. Not as it should be:`))
  for (const { nid, status, expected, starts, ends } of wrong) {
    screen.say(`  task ${nid}: ${status} instead of ${expected}, begun ${starts} times, ended ${ends} times`)
  }
  return false
}

async function witness({ hostmaster, journalFile }: Sandbox, task: DemoTask): Promise<Witnessed> {
  const starts = journalFile.of('start', task.nid)
  const ends = journalFile.of('end', task.nid)
  const startedAt = (starts[0]?.time ?? Number.NaN) * 1000
  const endedAt = (ends[0]?.time ?? Number.NaN) * 1000
  const reason = (await hostmaster.log(task.nid)).find(({ type }) => type === 'error' || type === 'warning')
  return {
    ...task,
    status: statusName(await hostmaster.currentStatus(task.nid)),
    starts: starts.length,
    ends: ends.length,
    waitedMs: startedAt - task.queuedAt,
    tookMs: endedAt - startedAt,
    why: reason && `${reason.type}: ${reason.message}`,
  }
}

function statusName(status: number | null | undefined): Witnessed['status'] {
  const known = Object.entries(STATUS_OF).find(([, number]) => number === status)
  if (known) return known[0] as Outcome
  if (status === 0) return 'queued'
  return status === -1 ? 'processing' : 'unknown'
}
