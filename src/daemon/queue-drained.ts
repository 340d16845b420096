import { SkynetError } from '../config/skynet-error.js'
import type { DaemonParts } from './daemon-parts.js'
import { heldByPauses } from './pauses.js'

/**
 * Whether `--once` has nothing left to start: what is paused or parked does not count.
 * @throws SkynetError FAILED where drush does not work, and nothing will ever be drained
 */
export function isQueueDrained({ settings, reader, attempts, lockRow, outage, pauses }: DaemonParts): boolean {
  if (outage.state.kind === 'out') {
    const { command, alias } = settings().drush
    throw new SkynetError('FAILED', `drush does not work: ${outage.state.reason}.`, {
      remedy: `Try it by hand, as the same user: ${command} ${alias} status`,
    })
  }
  if (pauses.halt()) return true
  const { waiting } = reader.mirror
  const held = heldByPauses([...waiting.values()], pauses.ofTasks())
  const open = [...waiting.keys()].filter((nid) => !attempts.parked(nid) && !held.has(nid))
  return open.length === 0 && lockRow.state.kind !== 'foreign'
}
