import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess } from './daemon-process.js'
import type { DemoFollower } from './demo-follower.js'
import type { DemoQueue } from './demo-queue.js'
import type { DemoScreen } from './demo-screen.js'
import type { Sandbox } from './sandbox.js'
import { wake } from './demo-wake.js'

/** Long enough to look at it, and to kill its drush. */
const LONG_TASK_MS = 120_000

/** How long the daemon stays down, in milliseconds: a supervisor waits a moment too. */
const RESTART_DELAY = 1_000

export interface KeptDemo {
  sandbox: Sandbox
  screen: DemoScreen
  follower: DemoFollower
  queue: DemoQueue['queue']
  daemon: DaemonProcess
  left: AbortSignal
}

/** Of different platforms, so that two of them run side by side. */
const SITES = ['wiki.example.net', 'shop.example.com', 'club.example.org', 'blog.example.com']

/** Lets the sandbox go on, and starts the daemon again whenever it ends, as Supervisor does. Ends once `left`. */
export async function keepRunning(demo: KeptDemo): Promise<number> {
  const { sandbox, screen, follower, queue, daemon, left } = demo
  let queued = 0
  const more = async (): Promise<void> => {
    const { type, object } = await queue(SITES[queued++ % SITES.length] ?? '', 'backup', { ms: LONG_TASK_MS })
    await wake(sandbox.home)
    follower.note(`queued: ${type} ${object}, which takes two minutes`)
  }
  const queueMore = (): void => {
    more().catch((error: unknown) => follower.note(`not queued: ${String(error)}`))
  }
  process.on('SIGUSR2', queueMore)
  if (process.stdin.isTTY) createInterface({ input: process.stdin }).on('line', queueMore)
  follower.showsPids = true

  screen.say(`\nSkynet and its sandbox go on until you press Ctrl-C.\n`)
  screen.say(commands(sandbox, daemon))
  await more()
  for (let current = daemon; ;) {
    const { code, signal } = await current.exited
    if (left.aborted) return 0
    const words = current.stderr.trim()
    follower.note(`skynet ended (${signal ?? `exit status ${code ?? '?'}`})${words === '' ? '' : `\n${words}`}`)
    await delay(RESTART_DELAY, undefined, { signal: left })
    current = sandbox.startDaemon()
    follower.follow(current)
    follower.note(`skynet is started again, as process ${current.pid}`)
  }
}

/** What a person can paste into another terminal. */
function commands({ folder, home, install }: Sandbox, daemon: DaemonProcess): string {
  const { name, uid, gid, drop } = folder.account
  const become = drop ? `setpriv --reuid=${uid} --regid=${gid} --clear-groups \\\n      ` : ''
  const tries = [
    ['skynet status', 'what runs, what waits, and why'],
    ['skynet status --json', 'the same for programs'],
    ['skynet pause --reason lunch', 'running tasks go on, no other starts'],
    ['skynet resume', ''],
    ['skynet config show', 'every key, and where its value comes from'],
    [`kill -USR2 ${process.pid}`, `queue one more task${process.stdin.isTTY ? ' (or press Enter here)' : ''}`],
    [`kill -9 ${daemon.pid}`, 'kill Skynet: started again, it adopts'],
  ]
  return `In another terminal${drop ? ', as root' : ''}: teach your shell to run Skynet in the sandbox,
${drop ? `as its user, who is ${name}:` : 'whose home is a folder of its own:'}

  skynet() {
    ${become}env HOME=${home} PATH="${join(folder.path, 'bin')}:$PATH" \\
      ${install.node} \\
      ${install.main} "$@"
  }

Then try these:

${tries.map(([command = '', what = '']) => `  ${command.padEnd(27)}${what === '' ? '' : ` # ${what}`}`.trimEnd()).join('\n')}

and kill -9 the drush of a running task, whose process is shown below: the task
turns red, and its log in Aegir says why.
`
}
