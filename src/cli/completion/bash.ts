import type { VerbWords } from './command-words.js'
import { indented, placeArms, quoted, walkingArms } from './shell-cases.js'

/**
 * The script for bash. It needs no other package (bash-completion calls it for `sudo skynet …` where that is there).
 * What comes from the database is only ever compared and handed back: `compgen -W` would expand it, and clients of Aegir
 * choose the names of sites.
 */
export function bashScript(verbs: readonly VerbWords[]): string {
  const words = verbs.flatMap(({ verb, options, verbs: below }) => [
    `${quoted(verb)}) verbs=${quoted(below.map(({ name }) => name).join(' '))} options=${quoted(options.flatMap(({ flags }) => flags).join(' '))} ;;`,
  ])
  return `# bash completion for skynet, as skynet completion bash prints it.
_skynet() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' awaits='' config='' word verbs='' options=''
  local -i position=0 index
  local -a candidates=()
  COMPREPLY=()
  [[ $cur == = ]] && cur=''
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    [[ $word == = ]] && continue
    if [[ -n $awaits ]]; then
      [[ $awaits == file ]] && config=$word
      awaits=''
      continue
    fi
    case "$at/$word" in
${indented(walkingArms(verbs), 6)}
      */-*) ;;
      *) position+=1 ;;
    esac
  done
  if [[ -z $awaits && $cur != -* ]]; then
    case "$at/$position" in
${indented(placeArms(verbs), 6)}
    esac
  fi
  case "$at" in
${indented(words, 4)}
  esac
  case "$awaits" in
    file)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    folder)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return
      ;;
    nid | object)
      while IFS=$'\\t' read -r word _; do candidates+=("$word"); done \\
        < <("\${COMP_WORDS[0]}" candidates \${config:+--config_file "$config"} "$awaits" "$at" 2>/dev/null)
      ;;
    'words '*) read -ra candidates <<<"\${awaits#words }" ;;
    anything) ;;
    *)
      if [[ $cur == -* ]]; then read -ra candidates <<<"$options"
      elif ((position == 0)); then read -ra candidates <<<"$verbs"
      fi
      ;;
  esac
  for word in "\${candidates[@]}"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}
complete -F _skynet skynet
`
}
