import { z } from 'zod'
import { LOG_LEVELS } from '../observe/log-levels.js'

const by = z.string().max(64)
const reason = z.string().max(500)
const nid = z.number().int().positive()

/** Which tasks a pause is about: of a type, of an object, of both; of neither is the whole queue. */
const scope = {
  type: z.string().min(1).max(64).nullable().default(null),
  object: z.string().min(1).max(255).nullable().default(null),
}

/** A request over the control socket: one JSON object on a line; the answer is another. */
export const controlRequestSchema = z.discriminatedUnion('verb', [
  z.object({ verb: z.literal('status') }),
  /** `until`: when it ends by itself, in milliseconds since 1970. */
  z.object({ verb: z.literal('pause'), by, reason, until: z.number().nullable().default(null), ...scope }),
  z.object({ verb: z.literal('resume'), by, all: z.boolean().default(false), ...scope }),
  z.object({ verb: z.literal('scale'), slots: z.number().int().min(1).max(256) }),
  z.object({ verb: z.literal('why'), nid }),
  /** `confirmed`: also where that leaves something half done. */
  z.object({
    verb: z.literal('cancel'),
    nid,
    by,
    reason,
    grace_ms: z.number().int().min(0).max(3_600_000),
    confirmed: z.boolean(),
  }),
  /** A waiting task was cancelled in the database. */
  z.object({ verb: z.literal('forget'), nid, vid: z.number().int().positive() }),
  /** `finish` waits for the running tasks. */
  z.object({ verb: z.literal('stop'), by, how: z.enum(['finish', 'leave']) }),
  z.object({ verb: z.literal('reload'), by }),
  /** `for_ms`: after how long the level of the configuration is back; null: with its next change. */
  z.object({
    verb: z.literal('log-level'),
    by,
    level: z.enum(LOG_LEVELS),
    for_ms: z.number().int().positive().max(86_400_000).nullable(),
  }),
])

/** As the daemon reads it. */
export type ControlRequest = z.output<typeof controlRequestSchema>

/** As a verb writes it. */
export type ControlQuestion = z.input<typeof controlRequestSchema>
