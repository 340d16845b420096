import type { Place, VerbWords } from './command-words.js'

/*
 * What the scripts for bash and zsh share: the two write `case` alike. A script walks over the words before the cursor
 * and keeps in `at` the verb that it has come to, in `awaits` the place of the option whose value comes next, and in
 * `position` how many arguments there have been.
 *
 * A place is written as `words a b c`, `file`, `folder`, `nid`, `object` or `anything`.
 */

/** Arms of `case "$at/$word"` that go on to a verb, or to the value of an option. */
export function walkingArms(verbs: readonly VerbWords[]): string[] {
  return verbs.flatMap(({ verb, options, verbs: below }) => [
    ...below.map(({ name }) => `${quoted(`${verb}/${name}`)}) at=${quoted(`${verb} ${name}`.trim())} ;;`),
    ...options.flatMap(({ flags, value }) =>
      value
        ? [`${flags.map((flag) => quoted(`${verb}/${flag}`)).join(' | ')}) awaits=${quoted(placeText(value))} ;;`]
        : [],
    ),
  ])
}

/** Arms of `case "$at/$position"` that say which place the cursor is in. */
export function placeArms(verbs: readonly VerbWords[]): string[] {
  return verbs.flatMap(({ verb, places }) =>
    places.map((place, index) => `${quoted(`${verb}/${index}`)}) awaits=${quoted(placeText(place))} ;;`),
  )
}

export function placeText(place: Place): string {
  switch (place.kind) {
    case 'words':
      return `words ${place.words.join(' ')}`
    case 'candidates':
      return place.of
    case 'file':
    case 'folder':
    case 'anything':
      return place.kind
  }
}

/** A word that the shell takes as it is. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Lines, further in by so many blanks. */
export function indented(lines: readonly string[], by: number): string {
  return lines.map((line) => ' '.repeat(by) + line).join('\n')
}
