import { z } from 'zod'

/** A request over the control socket: one JSON object on a line; the answer is another. */
export const controlRequestSchema = z.discriminatedUnion('verb', [
  z.object({ verb: z.literal('status') }),
  z.object({ verb: z.literal('pause'), by: z.string().max(64), reason: z.string().max(500) }),
  z.object({ verb: z.literal('resume'), by: z.string().max(64) }),
  z.object({ verb: z.literal('scale'), slots: z.number().int().min(1).max(256) }),
  z.object({ verb: z.literal('why'), nid: z.number().int().positive() }),
])

export type ControlRequest = z.infer<typeof controlRequestSchema>
