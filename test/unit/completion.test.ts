import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { bashScript } from '../../src/cli/completion/bash.js'
import { SHELLS } from '../../src/cli/completion/completion.js'
import { wordsOf } from '../../src/cli/completion/command-words.js'
import { fishScript } from '../../src/cli/completion/fish.js'
import { zshScript } from '../../src/cli/completion/zsh.js'
import { commandTree } from '../../src/cli/program.js'

const program = commandTree({ version: '1.2.3', environment: {} }, () => undefined)
const verbs = wordsOf(program)

describe('the words of the command line', () => {
  test('are those of the command tree, with its aliases, without what is hidden', () => {
    const names = verbs.map(({ verb }) => verb)
    for (const command of program.commands) {
      const isHidden = command.name() === 'candidates'
      assert.equal(names.includes(command.name()), !isHidden, command.name())
    }
    assert.ok(['', 'q', 'config check', 'help'].every((name) => names.includes(name)))
  })

  test('say what may stand in each place', () => {
    const of = (name: string) => verbs.find(({ verb }) => verb === name)
    assert.deepEqual(of('show')?.places, [{ kind: 'candidates', of: 'nid' }])
    assert.deepEqual(of('completion')?.places, [{ kind: 'words', words: SHELLS }])
    const option = (name: string, flag: string) => of(name)?.options.find(({ flags }) => flags.includes(flag))?.value
    assert.deepEqual(option('tasks', '-c'), { kind: 'file' })
    assert.deepEqual(option('doctor', '--supervisor-dir'), { kind: 'folder' })
    assert.deepEqual(option('tasks', '--object'), { kind: 'candidates', of: 'object' })
    assert.equal(option('tail', '--follow'), undefined)
  })
})

test('bash completes every verb and every option of it', () => {
  const cases = verbs.flatMap(({ verb, options, verbs: below }) => {
    const before = ['skynet', ...verb.split(' ')].filter((word) => word !== '')
    return [
      ...options.flatMap(({ flags }) => flags.map((flag) => [...before, flag])),
      ...below.map(({ name }) => [...before, name]),
    ]
  })
  assert.ok(cases.length > 100)
  const asked = cases.map((words) => {
    const list = words.map((word) => `'${word}'`).join(' ')
    return `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _skynet; printf "%s\\n" "\${COMPREPLY[*]}"`
  })
  const script = `${bashScript(verbs)}\n${asked.join('\n')}\n`
  const given = execFileSync('bash', ['--noprofile', '--norc'], { input: script, encoding: 'utf8' }).split('\n')
  for (const [index, words] of cases.entries()) {
    assert.ok(given[index]?.split(' ').includes(words.at(-1) ?? ''), `${words.join(' ')}: ${given[index]}`)
  }
})

test('the scripts are right for the shell that they are for, whatever stands in a description', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'skynet-completion-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'script')
  const odd = [{ verb: '', options: [], verbs: [{ name: 'a:b', description: `it's "$(x)" \\ 100 %` }], places: [] }]
  const scripts = [
    ['bash', ['-n'], bashScript],
    ['zsh', ['-f', '-n'], zshScript],
    ['fish', ['--no-config', '--no-execute'], fishScript],
  ] as const
  for (const [shell, args, make] of scripts) {
    for (const words of [verbs, odd]) {
      writeFileSync(file, make(words))
      execFileSync(shell, [...args, file])
    }
  }
})
