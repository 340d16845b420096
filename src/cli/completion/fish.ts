import type { Place, VerbWords } from './command-words.js'

/** The script for fish: for ~/.config/fish/completions/skynet.fish. */
export function fishScript(verbs: readonly VerbWords[]): string {
  const arms = verbs.flatMap(({ verb, verbs: below }) =>
    below.map(
      ({ name }) =>
        `            case ${quoted(`${verb}/${name}`)}\n                set at ${quoted(`${verb} ${name}`.trim())}`,
    ),
  )
  const lines = verbs.flatMap(({ verb, options, verbs: below, places }) => {
    const here = `complete -c skynet -n ${quoted(`__skynet_at ${quoted(verb)}`)}`
    return [
      ...below.map(({ name, description }) => `${here} -a ${quoted(name)} -d ${quoted(description)}`),
      ...options.map(({ flags, description, value }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
        return `${here} ${names.join(' ')}${value ? valueOf(value, verb) : ''} -d ${quoted(description)}`
      }),
      ...places.flatMap((place) => {
        const words = listOf(place, verb)
        return words === undefined ? [] : [`${here} -k -a ${words}`]
      }),
    ]
  })
  return `# fish completion for skynet, as skynet completion fish prints it.
function __skynet_at
    set -l words (commandline -opc)
    set -l at ''
    for word in $words[2..]
        switch "$at/$word"
${arms.join('\n')}
        end
    end
    test "$at" = "$argv[1]"
end
function __skynet_candidates
    set -l words (commandline -opc)
    $words[1] candidates $argv 2>/dev/null
end
complete -c skynet -e
complete -c skynet -f
${lines.join('\n')}
`
}

function valueOf(value: Place, verb: string): string {
  if (value.kind === 'file' || value.kind === 'folder') return ' -r -F'
  const words = listOf(value, verb)
  return words === undefined ? ' -x' : ` -x -a ${words}`
}

function listOf(place: Place, verb: string): string | undefined {
  switch (place.kind) {
    case 'words':
      return quoted(place.words.join(' '))
    case 'candidates':
      return quoted(`(__skynet_candidates ${place.of} ${quoted(verb)})`)
    case 'file':
    case 'folder':
    case 'anything':
      return undefined
  }
}

/** In fish a backslash escapes within single quotes as well. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
