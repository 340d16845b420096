import { parseArgs } from 'node:util'
import { keepRunning } from './demo-keep.js'
import { DemoFollower } from './demo-follower.js'
import { fillQueue, type DemoTask } from './demo-queue.js'
import { DemoScreen } from './demo-screen.js'
import { showSummary } from './demo-summary.js'
import { Sandbox } from './sandbox.js'
import { wake } from './demo-wake.js'

/** How often the log is looked at, and what is under way drawn anew, in milliseconds. */
const FRAME = 100

/** How long the tasks of about ten seconds may take on a machine that does something else. */
const PATIENCE = 180_000

const USAGE = `Usage: npm run demo                shows Skynet at work on a queue of its own
       npm run demo -- --keep      and lets it go on, with commands to try
`

const INTRODUCTION = `Skynet runs the task queue of Aegir. Here it does so in a sandbox: a private
MariaDB with Aegir's tables, a skynet.conf, the real daemon, and a stand-in
drush that does to the database what the real one does there.
`

/** Shows Skynet at work, until `left`. @returns the exit status */
async function demo(sandbox: Sandbox, screen: DemoScreen, isKept: boolean, left: AbortSignal): Promise<number> {
  const { first, longest, queue } = await fillQueue(sandbox)
  // The load of this machine is not the demo's: drush here is a stand-in that does not mind it.
  const file = sandbox.writeConfig({ queue: { concurrent_tasks: 2, max_load: 1000 }, log: { format: 'json' } })
  screen.say(`${first.length} tasks wait, on two platforms and four sites; two may run at a time.`)
  screen.say(screen.paint('dim', `The daemon: skynet queued -c ${file.replace(sandbox.folder.path, '…')}`))
  screen.say()

  const follower = new DemoFollower(screen, sandbox.journalFile)
  const frames = setInterval(() => follower.look(), FRAME)
  left.addEventListener('abort', () => clearInterval(frames))
  try {
    const doomed = sandbox.startDaemon()
    follower.follow(doomed)
    await sandbox.waitForJournal(({ event, nid }) => event === 'start' && nid === longest.nid, {
      what: `the ${longest.type} of ${longest.object} to start`,
      timeoutMs: PATIENCE,
    })
    doomed.kill('SIGKILL')
    await doomed.exited
    const daemon = sandbox.startDaemon()
    follower.follow(daemon)
    follower.note(`kill -9 of skynet in mid-work; started again as process ${daemon.pid}`)

    await allEnded(sandbox, follower, first)
    const last = await queue('shop.example.com', 'login-reset', { ms: 200 })
    await wake(sandbox.home)
    await allEnded(sandbox, follower, [last])
    const { startedAt = Number.NaN } = follower.tasks.get(last.nid) ?? {}
    follower.note(`queued while all was quiet: drush was started ${startedAt - last.queuedAt} ms later`)

    const isRight = await showSummary(sandbox, screen, [...first, last])
    if (!isRight) screen.say(daemon.lastWords(40))
    if (isRight && isKept) return await keepRunning({ sandbox, screen, follower, queue, daemon, left })
    daemon.kill('SIGTERM')
    await daemon.exited
    return isRight ? 0 : 1
  } finally {
    clearInterval(frames)
    screen.underWay([])
  }
}

function allEnded(sandbox: Sandbox, follower: DemoFollower, tasks: DemoTask[]): Promise<true> {
  return sandbox.waitFor(
    () => {
      const [daemon] = sandbox.daemons.slice(-1)
      if (daemon?.exit) throw new Error(`The daemon ended by itself.\n${daemon.lastWords()}`)
      follower.look()
      return tasks.every(({ nid }) => follower.tasks.get(nid)?.outcome !== undefined)
    },
    { what: 'all tasks to end', timeoutMs: PATIENCE, everyMs: FRAME / 2 },
  )
}

/** Settled by the first signal that asks us to leave. */
function interruption(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    // Not once: a second Ctrl-C must not end us before the sandbox is gone.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal))
  })
}

async function main(): Promise<number> {
  let isKept: boolean
  try {
    isKept = parseArgs({ options: { keep: { type: 'boolean', default: false } } }).values.keep
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return 2
  }
  const screen = new DemoScreen(process.stdout, process.env)
  const interrupted = interruption()
  // Who looks on may leave: `npm run demo | head`.
  const abandoned = new Promise<'abandoned'>((resolve) => process.stdout.on('error', () => resolve('abandoned')))
  screen.say(INTRODUCTION)

  const creation = Sandbox.create({ firstNid: 1 })
  const sandbox = await Promise.race([creation, interrupted, abandoned])
  // A sandbox that is still being made goes with us: its watchdog sees to that.
  if (!(sandbox instanceof Sandbox)) return 130
  const leaving = new AbortController()
  try {
    const running = demo(sandbox, screen, isKept, leaving.signal)
    const end = await Promise.race([running, interrupted, abandoned])
    if (typeof end === 'number') return end
    // What the interrupted demo was waiting for will not come.
    running.catch(() => undefined)
    leaving.abort()
    screen.underWay([])
    screen.say(isKept && end !== 'abandoned' ? '\nThe sandbox is removed.' : '\nInterrupted; the sandbox is removed.')
    return isKept ? 0 : end === 'SIGINT' ? 130 : 143
  } finally {
    await sandbox.close()
  }
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
