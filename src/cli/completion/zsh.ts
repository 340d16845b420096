import type { VerbWords } from './command-words.js'
import { indented, placeArms, quoted, walkingArms } from './shell-cases.js'

/** The script for zsh: to be found in fpath as \`_skynet\`, or to be sourced after compinit. */
export function zshScript(verbs: readonly VerbWords[]): string {
  const described = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}:${description}`)
  const words = verbs.flatMap(({ verb, options, verbs: below }) => [
    `${quoted(verb)})`,
    `  verbs=(${below.map(({ name, description }) => described(name, description)).join(' ')})`,
    `  options=(${options.flatMap(({ flags, description }) => flags.map((flag) => described(flag, description))).join(' ')})`,
    '  ;;',
  ])
  return `#compdef skynet
# zsh completion for skynet, as skynet completion zsh prints it.
_skynet() {
  local at='' awaits='' config='' word
  integer position=0 index
  local -a verbs options candidates
  for ((index = 2; index < CURRENT; index++)); do
    word=\${(Q)words[index]}
    if [[ -n $awaits ]]; then
      [[ $awaits == file ]] && config=$word
      awaits=''
      continue
    fi
    case "$at/$word" in
${indented(walkingArms(verbs), 6)}
      */-*) ;;
      *) ((position += 1)) ;;
    esac
  done
  if [[ -z $awaits && $PREFIX == --*=* ]]; then
    word=\${PREFIX%%=*}
    compset -P '*='
    case "$at/$word" in
${indented(walkingArms(verbs), 6)}
    esac
  elif [[ -z $awaits && $PREFIX != -* ]]; then
    case "$at/$position" in
${indented(placeArms(verbs), 6)}
    esac
  fi
  case "$at" in
${indented(words, 4)}
  esac
  case "$awaits" in
    file) _files ;;
    folder) _files -/ ;;
    nid | object)
      candidates=("\${(@f)$(_call_program skynet-candidates "\${(q)words[1]}" candidates \${config:+--config_file "\${(q)config}"} "$awaits" "\${(q)at}")}")
      candidates=("\${(@)candidates//:/\\\\:}")
      candidates=("\${(@)candidates/$'\\t'/:}")
      _describe -V "$awaits" candidates
      ;;
    'words '*) compadd -- \${=awaits#words } ;;
    anything) ;;
    *)
      if [[ $PREFIX == -* ]]; then _describe option options
      elif ((position == 0)); then _describe verb verbs
      fi
      ;;
  esac
}
if [[ $funcstack[1] == _skynet ]]; then _skynet "$@"; else compdef _skynet skynet; fi
`
}
