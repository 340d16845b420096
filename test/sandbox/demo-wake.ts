import { connect } from 'node:net'
import { join } from 'node:path'

/** Says that a task was queued, as the Drupal module does. */
export function wake(home: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(home, 'config/skynet-wake/wake'), () => socket.end('w'))
    socket.once('error', reject).once('close', () => resolve())
  })
}
