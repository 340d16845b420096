import { printable } from '../observe/printable.js'
import type { ControlRequest } from './control-requests.js'
import type { DaemonParts } from './daemon-parts.js'
import type { Status } from './status.js'
import { whyOf } from './why.js'

/** What an answer needs of the daemon besides its parts. */
export interface ControlHooks {
  status: () => Status
  /** Makes the loop look at once. */
  wake: () => void
}

/** Does what a request over the control socket asks for. @returns the result. @throws Error the refusal, in words */
export function answerRequest(parts: DaemonParts, hooks: ControlHooks, request: ControlRequest): unknown {
  const { ownPause, pauses, logger, clock } = parts
  switch (request.verb) {
    case 'status':
      return hooks.status()
    case 'pause':
      ownPause.set({ by: printable(request.by), since: clock.now(), reason: printable(request.reason) })
      pauses.tell()
      return pauses.list()
    case 'resume':
      ownPause.clear()
      pauses.tell()
      logger.debug({ by: request.by }, 'resume asked for')
      hooks.wake()
      return pauses.list()
    case 'scale':
      parts.scale.slots = request.slots
      logger.info({ slots: request.slots, configured: parts.settings().queue.concurrent_tasks }, 'scaled')
      hooks.wake()
      return { slots: request.slots, running: parts.keeper.active.length }
    case 'why':
      return { sentence: whyOf(parts, request.nid) ?? null }
  }
}
