import * as v from 'valibot'
import { integerWithin, number, positiveInteger } from '../config/json-number.js'
import { LOG_LEVELS } from '../observe/log-levels.js'

const by = v.pipe(v.string(), v.maxLength(64))
const reason = v.pipe(v.string(), v.maxLength(500))
const nid = positiveInteger

const name = (longest: number) => v.optional(v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(longest))), null)

/** Which tasks a pause is about: of a type, of an object, of both; of neither is the whole queue. */
const scope = {
  type: name(64),
  object: name(255),
}

/** A request over the control socket: one JSON object on a line; the answer is another. */
export const controlRequestSchema = v.variant('verb', [
  v.object({ verb: v.literal('status') }),
  /** `until`: when it ends by itself, in milliseconds since 1970. */
  v.object({ verb: v.literal('pause'), by, reason, until: v.optional(v.nullable(number), null), ...scope }),
  v.object({ verb: v.literal('resume'), by, all: v.optional(v.boolean(), false), ...scope }),
  v.object({ verb: v.literal('scale'), slots: integerWithin(1, 256) }),
  v.object({ verb: v.literal('why'), nid }),
  /** `confirmed`: also where that leaves something half done. */
  v.object({
    verb: v.literal('cancel'),
    nid,
    by,
    reason,
    grace_ms: integerWithin(0, 3_600_000),
    confirmed: v.boolean(),
  }),
  /** A waiting task was cancelled in the database. */
  v.object({ verb: v.literal('forget'), nid, vid: positiveInteger }),
  /** `finish` waits for the running tasks. */
  v.object({ verb: v.literal('stop'), by, how: v.picklist(['finish', 'leave']) }),
  v.object({ verb: v.literal('reload'), by }),
  /** `for_ms`: after how long the level of the configuration is back; null: with its next change. */
  v.object({
    verb: v.literal('log-level'),
    by,
    level: v.picklist(LOG_LEVELS),
    for_ms: v.nullable(integerWithin(1, 86_400_000)),
  }),
])

/** As the daemon reads it. */
export type ControlRequest = v.InferOutput<typeof controlRequestSchema>

/** As a verb writes it. */
export type ControlQuestion = v.InferInput<typeof controlRequestSchema>
