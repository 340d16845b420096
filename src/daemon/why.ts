import { printable } from '../observe/printable.js'
import { recordOf } from './active-run.js'
import type { DaemonParts } from './daemon-parts.js'
import { reasonsOf, sayReason } from './status-of.js'

/** In one sentence, why an open task is not running, or that it is; undefined: it is not open, as far as we know. */
export function whyOf(parts: DaemonParts, nid: number): string | undefined {
  const { keeper, reader, foreign, attempts } = parts
  const active = keeper.find((record) => record.nid === nid)
  if (active) {
    const record = recordOf(active)
    const { run, state, started_at, planned_at, cancellation } = record
    if (cancellation) {
      const { by, reason, asked_at } = cancellation
      const why = reason === '' ? '' : ` (${reason})`
      return `It is being ended since ${new Date(asked_at).toISOString()}, because ${by} cancelled it${why} (run ${run}).`
    }
    const since = new Date(started_at ?? planned_at).toISOString()
    if (state === 'orphaned') {
      return `Its drush is gone, but a backend of it goes on; it is waited for since ${since} (run ${run}).`
    }
    return `It is running since ${since}, process ${keeper.processOf(record) ?? 'unknown'} (run ${run}).`
  }
  const other = foreign.all.find(({ task }) => task.nid === nid)
  if (other) return describeProcessing(other.is)
  if (!reader.mirror.waiting.has(nid)) return undefined
  const reason = reasonsOf(parts).get(nid)
  if (!reason) return 'It starts next.'
  const parked = attempts.parked(nid)
  const why = parked ? ` The last attempt (${parked.attempts}): ${parked.reason}.` : ''
  return `${sayReason(parts)(reason)}${printable(why)}`
}

function describeProcessing(is: DaemonParts['foreign']['all'][number]['is']): string {
  switch (is.kind) {
    case 'foreign':
      return is.pid === 0
        ? 'It is processing, and its process is being looked for.'
        : `It is being run by somebody else, process ${is.pid}.`
    case 'nested':
      return `It is part of run ${is.run}, which started it inside itself.`
    case 'elsewhere':
      return `A Skynet on another machine has claimed it (${is.claim}).`
    case 'stuck':
      return 'It is stuck: Aegir takes it for processing, but no process of it is alive; skynet fail ends it.'
  }
}
