import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import type { Status } from '../daemon/status.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'
import { newScreen, screenOf } from './screen.js'
import { statusLines } from './status-screen.js'

interface StatusOptions {
  config_file?: string
  json?: boolean
  watch?: boolean
}

/** `skynet status`. @returns 0 healthy, 1 degraded; 0 at the end of a watch. @throws SkynetError */
export async function status(options: StatusOptions, { environment }: VerbContext): Promise<number> {
  const { stdout } = process
  const socket = await controlSocket(options.config_file, environment)
  const ask = async (signal?: AbortSignal) => (await askDaemon(socket, { verb: 'status' }, signal)) as Status
  const screen = screenOf(stdout, environment)
  if (options.watch) {
    if (!stdout.isTTY || environment['TERM'] === 'dumb') {
      throw new SkynetError('USAGE', 'status --watch needs a terminal to draw on.', {
        remedy: 'Without one, ask again and again: skynet status --json',
      })
    }
    const { watchStatus } = await import('./status-watch.js')
    const { stdin } = process
    await watchStatus({
      input: stdin.isTTY ? stdin : undefined,
      output: stdout,
      ask,
      describe: (answer, width) => statusLines(answer, newScreen(width, screen.colour), { progress: true }),
    })
    return 0
  }
  const answer = await ask()
  stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : `${statusLines(answer, screen).join('\n')}\n`)
  return answer.health.state === 'healthy' ? 0 : 1
}
