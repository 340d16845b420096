import { userInfo } from 'node:os'
import { askDaemon } from '../daemon/control-client.js'
import { controlSocket } from './control-socket.js'
import type { VerbContext } from './program.js'

interface Pause {
  by: string
  reason: string
}

export async function pause(options: { config_file?: string; reason: string }, context: VerbContext): Promise<number> {
  const socket = await controlSocket(options.config_file, context.environment)
  await askDaemon(socket, { verb: 'pause', by: userInfo().username, reason: options.reason.slice(0, 500) })
  process.stdout.write('The queue is paused; running tasks go on. To go on: skynet resume\n')
  return 0
}

export async function resume(options: { config_file?: string }, context: VerbContext): Promise<number> {
  const socket = await controlSocket(options.config_file, context.environment)
  const left = (await askDaemon(socket, { verb: 'resume', by: userInfo().username })) as Pause[]
  if (left.length === 0) {
    process.stdout.write('The queue is resumed.\n')
    return 0
  }
  const others = left.map(({ by, reason }) => `  ${by}: ${reason}`).join('\n')
  process.stderr.write(`Skynet's own pause is gone, but the queue is still paused by\n${others}\n`)
  return 1
}
