import { printable } from '../observe/printable.js'
import { nameTasks, type PauseOfTasks } from '../scheduler/plan.js'
import { askToCancel } from './cancellation.js'
import type { ControlRequest } from './control-requests.js'
import type { DaemonParts } from './daemon-parts.js'
import type { OwnPause } from './pause.js'
import type { Pause } from './pauses.js'
import type { Status } from './status.js'
import { keptUpBy, type KeptUpBy } from './supervision.js'
import { whyOf } from './why.js'

/** What an answer needs of the daemon besides its parts. */
export interface ControlHooks {
  status: () => Status
  /** Makes the loop look at once. */
  wake: () => void
  stop: (how: 'finish' | 'leave') => void
  /** Reads the configuration again and opens the log anew. */
  reload: () => void
  /** @returns the level that the configuration says. */
  setLogLevel: (level: string, forMs: number | null) => string
}

/** The pauses in force after `pause` or `resume`, and those that were ended, or whose place another took. */
export interface PausesAnswer {
  queue: Pause[]
  tasks: PauseOfTasks[]
  ended: OwnPause[]
}

export interface StopAnswer {
  pid: number
  running: number
  /** Daemons that take over then. */
  standbys: number[]
  kept_up_by: KeptUpBy | null
}

/** Does what a request over the control socket asks for. @returns the result. @throws Error the refusal, in words */
export function answerRequest(parts: DaemonParts, hooks: ControlHooks, request: ControlRequest): unknown {
  const { ownPauses, logger, clock } = parts
  switch (request.verb) {
    case 'status':
      return hooks.status()
    case 'pause': {
      const { by, reason, until, type, object } = request
      if (until !== null && until <= clock.now()) throw new Error('the end of that pause is in the past')
      const replaced = ownPauses.set({
        type: type && printable(type),
        object: object && printable(object),
        by: printable(by),
        since: clock.now(),
        until,
        reason: printable(reason),
      })
      return afterPauses(parts, hooks, replaced)
    }
    case 'resume': {
      const { by, all, type, object } = request
      const ended = ownPauses.clear(all ? 'all' : { type, object })
      logger.debug({ by, tasks: all ? 'all' : nameTasks({ type, object }) }, 'resume asked for')
      return afterPauses(parts, hooks, ended)
    }
    case 'scale':
      parts.scale.slots = request.slots
      logger.info({ slots: request.slots, configured: parts.settings().queue.concurrent_tasks }, 'scaled')
      hooks.wake()
      return { slots: request.slots, running: parts.keeper.active.length }
    case 'why':
      return { sentence: whyOf(parts, request.nid) ?? null }
    case 'cancel': {
      const answer = askToCancel(parts, request)
      hooks.wake()
      return answer
    }
    case 'forget': {
      const { waiting } = parts.reader.mirror
      if (waiting.get(request.nid)?.vid === request.vid) waiting.delete(request.nid)
      return {}
    }
    case 'stop': {
      const { standbys } = hooks.status()
      const answer: StopAnswer = {
        pid: process.pid,
        running: parts.keeper.active.length,
        standbys: standbys.map(({ pid }) => pid),
        kept_up_by: keptUpBy(process.env) ?? null,
      }
      logger.info({ by: printable(request.by), how: request.how }, 'asked to leave')
      hooks.stop(request.how)
      return answer
    }
    case 'reload':
      logger.info({ by: printable(request.by) }, 'asked to read the configuration again')
      hooks.reload()
      return {}
    case 'log-level':
      return { level: request.level, configured: hooks.setLogLevel(request.level, request.for_ms) }
  }
}

function afterPauses({ pauses }: DaemonParts, { wake }: ControlHooks, ended: OwnPause[]): PausesAnswer {
  pauses.tell()
  wake()
  return { queue: pauses.list(), tasks: pauses.ofTasks(), ended }
}
