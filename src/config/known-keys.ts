import { closest, distance } from 'fastest-levenshtein'
import { safeParse, type GenericSchema } from 'valibot'
import type { Fault } from './config-error.js'
import type { SectionDescription } from './describe-schema.js'
import type { Given } from './sources.js'

/**
 * What is wrong with names and values, by the schema. A name is shown only where it is known or near to a known one,
 * and a value of [database] never: in a damaged file either can be the password or a part of it.
 */

/** What is wrong with the name of a section, or undefined. */
export function faultOfSection(sections: SectionDescription[], name: string): string | undefined {
  const known = sections.map((section) => section.name)
  return known.includes(name) ? undefined : `unknown section ${suggestion(name, known)}`
}

/** What is wrong with a key or its value, or undefined. The section is known. */
export function faultOfKey(sections: SectionDescription[], { section, key, text }: Given): string | undefined {
  const { keys, free } = sections.find(({ name }) => name === section) ?? { keys: [], free: undefined }
  if (free !== undefined) {
    const badName = firstIssue(free.name, key)
    if (badName !== undefined) return `[${section}] ${badName.message}`
    const badValue = firstIssue(free.value, text)
    return badValue && `[${section}] ${key} ${badValue.message}`
  }
  const known = keys.find(({ name }) => name === key)
  if (known === undefined) {
    const names = keys.map(({ name }) => name)
    const home = sections.find((other) => other.keys.some(({ name }) => name === key))
    const hint = home === undefined ? suggestion(key, names) : `${key}: it belongs into [${home.name}]`
    return `[${section}] unknown key ${hint}`
  }
  const issue = firstIssue(known.type, text)
  if (issue === undefined) return undefined
  const shown = section === 'database' ? '' : ` is ${JSON.stringify(text.slice(0, 60))}, but`
  return `[${section}] ${key}${shown} ${issue.message}`
}

function firstIssue(type: GenericSchema, text: string) {
  return safeParse(type, text).issues?.[0]
}

const PREFIX = 'SKYNET_'

/** `SKYNET_<SECTION>_<KEY>`; other variables that begin with SKYNET_ are not for us to judge. */
export function fromEnvironment(sections: SectionDescription[], environment: NodeJS.ProcessEnv) {
  const given: Given[] = []
  const faults: Fault[] = []
  const known = new Map(
    sections.flatMap(({ name: section, keys }) =>
      keys.map(({ name: key }) => [`${PREFIX}${section}_${key}`.toUpperCase(), { section, key }]),
    ),
  )
  for (const [name, text] of Object.entries(environment)) {
    const section = sections.find((each) => name.startsWith(`${PREFIX}${each.name.toUpperCase()}_`))
    if (section === undefined || text === undefined) continue
    const at = `environment ${name}`
    const target = known.get(name)
    if (target !== undefined) given.push({ ...target, text, at })
    else if (section.free) faults.push({ at, message: `[${section.name}] cannot be set here, only in the files` })
    else faults.push({ at, message: `unknown variable ${suggestion(name, [...known.keys()])}` })
  }
  return { given, faults }
}

/** The name and the nearest known one where that is near; otherwise all known ones, and not the name. */
function suggestion(name: string, known: string[]): string {
  const start = name.slice(0, 100)
  const nearest = closest(start, known)
  return /^[\w-]+$/.test(start) && distance(start, nearest) <= Math.ceil(start.length / 2)
    ? `${start}; did you mean ${nearest}?`
    : `(nearest: ${nearest}); known are ${known.join(', ')}`
}
