import type { TailLine } from '../../src/cli/tail/tail-line.js'
import type { FollowedVerb } from './followed-verb.js'
import { assertFitsSchema } from './json-schema.js'

/** A line of `skynet tail --json`, and when it came (milliseconds since 1970). */
export type SeenLine = TailLine & { at: number }

const parsed = new WeakMap<FollowedVerb, SeenLine[]>()

/** All that a `skynet tail --json` has said; each line is read once, however often this is asked. */
export function seenBy(tail: FollowedVerb): SeenLine[] {
  const seen = parsed.get(tail) ?? []
  parsed.set(tail, seen)
  for (const { text, at } of tail.said.slice(seen.length)) {
    const line = JSON.parse(text) as TailLine
    assertFitsSchema('tail', line)
    seen.push({ ...line, at })
  }
  return seen
}

export function hasEnded(nid: number): (tail: FollowedVerb) => boolean {
  return (tail) => seenBy(tail).some((line) => line.nid === nid && line.text.startsWith('ended with'))
}
