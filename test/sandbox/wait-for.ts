import { setTimeout as delay } from 'node:timers/promises'

export interface WaitOptions {
  /** What is awaited, as it would stand after "waited for". */
  what: string
  timeoutMs?: number
  /** At least 10. */
  everyMs?: number
  /** Called for the message of a failure: what was last seen. */
  lastSeen?: () => string
}

/** Asks again until `look` gives something that is neither false, null nor undefined, and gives that. */
export async function waitFor<Found>(
  look: () => Found | Promise<Found>,
  { what, timeoutMs = 10_000, everyMs = 15, lastSeen }: WaitOptions,
): Promise<Exclude<Found, false | null | undefined>> {
  const limit = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== false && found !== null && found !== undefined)
      return found as Exclude<Found, false | null | undefined>
    if (performance.now() >= limit) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}.${lastSeen ? `\n${lastSeen()}` : ''}`)
    }
    await delay(Math.max(10, everyMs))
  }
}
