import { describeConfig, type KeyDescription, type SectionDescription } from './describe-schema.js'

const WIDTH = 100

/** Names for the sections that have none of their own. */
const EXAMPLES: Record<string, { key: string; text: string; help: string }[]> = {
  schedule: [
    {
      key: 'hosting-dispatch',
      text: '* * * * *',
      help: "Example: Aegir's other queues (cron, backups, …), each minute.",
    },
  ],
  timeouts: [{ key: 'verify', text: '2h', help: 'Example: no verify takes two hours, unless it hangs.' }],
  locks: [
    {
      key: 'my_type',
      text: 'site, platform',
      help: 'Example: a task that nothing else may disturb on its site and platform.',
    },
  ],
}

/** The text of config.example.ini: every section and key with its meaning and default, from the schema. */
export function renderReference(): string {
  return [...comment(INTRODUCTION), ...describeConfig().flatMap((section) => ['', ...renderSection(section)]), ''].join(
    '\n',
  )
}

const INTRODUCTION = `Configuration of Skynet: all sections and keys, each with its default. This file is valid as it \
is; to set a key, remove the ; before it.

The Drupal module writes [database] into ~/config/skynet/skynet.conf. What you set yourself belongs into \
local.skynet.conf beside it, which has the same form and the last word of the two. Both have mode 0600 in a folder of \
mode 0700. An environment variable SKYNET_<SECTION>_<KEY>, such as SKYNET_LOG_LEVEL, outranks the files. A change is \
applied without a restart; skynet config check says whether it is right, skynet config show what is in force.

Durations: ms, s, m, h, d (500ms, 14d). Sizes: bytes, or K, M, G (16M). Paths: absolute, or from ~/. A value with ; or # \
or a quote in it stands in double quotes, where \\" is a quote and \\\\ a backslash: passwd = "a;b\\"c\\\\d". In single \
quotes all characters stand for themselves.`

function renderSection({ name, help, keys }: SectionDescription): string[] {
  const examples = EXAMPLES[name] ?? []
  return [
    ...comment(help),
    `[${name}]`,
    ...keys.flatMap((key) => ['', ...comment(key.help), `; ${key.name} = ${fallbackText(key)}`]),
    ...examples.flatMap(({ key, text, help: meaning }) => ['', ...comment(meaning), `; ${key} = ${text}`]),
  ]
}

function fallbackText({ name, fallback }: KeyDescription): string {
  return fallback ?? PLACEHOLDERS[name] ?? ''
}

/** For the keys that have no default. */
const PLACEHOLDERS: Record<string, string> = { db: 'hostmaster', user: 'hostmaster', passwd: '"secret"' }

/** Lines of comment, of at most `WIDTH` columns. */
function comment(text: string): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = []
    let line = ';'
    for (const word of paragraph.split(' ')) {
      if (line.length + 1 + word.length > WIDTH) {
        lines.push(line)
        line = ';'
      }
      line += word === '' ? '' : ` ${word}`
    }
    return [...lines, line]
  })
}
