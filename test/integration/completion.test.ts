import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { configure } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import type { PseudoTerminal } from '../sandbox/pseudo-terminal.js'

/** What a client may call a site: a shell that expanded it would run it. */
const HOSTILE = ['$(touch pwned)', '`touch pwned`', "x';touch pwned;'"]

const CLEAR_LINE = '\u0015'

let sandbox: Sandbox
let waiting: number
let stuck: number
let site: string

before(async () => {
  // Two nids without a common beginning.
  sandbox = await Sandbox.create({ firstNid: 660_001 })
  configure(sandbox)
  const { hostmaster, install, folder } = sandbox
  folder.writeFile('bin/skynet', `#!/bin/sh\nexec ${install.node} ${install.main} "$@"\n`, 0o755)
  const server = await hostmaster.server({ name: 'web1' })
  const platform = await hostmaster.platform({ name: 'drupal10', server })
  site = 'blog.example.com'
  const object = await hostmaster.site({ platform, dbServer: server, uri: site })
  for (const uri of HOSTILE) await hostmaster.site({ platform, dbServer: server, uri })
  waiting = (await hostmaster.queueTask({ object, type: 'verify' })).nid
  await hostmaster.execute('ALTER TABLE node AUTO_INCREMENT = 770001')
  stuck = (await hostmaster.stuckTask({ object, type: HOSTILE[0] ?? '' })).nid
})
after(() => sandbox.close())

/** Types the beginning of a line, Tab, and waits until the shell has made of it what is expected; then clears the line. */
async function assertCompletes(terminal: PseudoTerminal, typed: string, expected: string): Promise<void> {
  const from = terminal.screen.length
  terminal.type(`${typed}\t`)
  const isThere = (screen: string) => screen.slice(from).includes(expected)
  await terminal.waitUntil(isThere, `${JSON.stringify(typed)} and Tab to give ${JSON.stringify(expected)}`)
  terminal.type(CLEAR_LINE)
}

async function shellWith(t: TestContext, command: string, lines: string[]): Promise<PseudoTerminal> {
  const terminal = sandbox.terminal(command, { TERM: 'dumb', PS1: 'ready> ', LC_ALL: 'C.UTF-8' })
  t.after(() => terminal.close())
  await terminal.waitUntil((screen) => screen.includes('ready> '), 'the prompt')
  for (const line of [...lines, 'echo set"-"up']) terminal.type(`${line}\n`)
  await terminal.waitUntil((screen) => screen.includes('set-up'), 'the script to be loaded')
  return terminal
}

function assertNothingRun(): void {
  assert.equal(existsSync(join(sandbox.home, 'pwned')), false, 'a name from the database was run')
}

describe('completion', () => {
  test('in a real bash completes verbs, options, their values, nids, objects and files', async (t) => {
    const bash = await shellWith(t, 'bash --noprofile --norc -i', [
      'bind "set enable-bracketed-paste off"; bind "set bell-style none"; bind "set show-all-if-ambiguous on"',
      'set -u; source <(skynet completion bash); source <(skynet completion bash)',
    ])
    await assertCompletes(bash, 'skynet his', 'skynet history ')
    await assertCompletes(bash, 'skynet config ch', 'skynet config check ')
    await assertCompletes(bash, 'skynet help tas', 'skynet help tasks ')
    await assertCompletes(bash, 'skynet completion fi', 'skynet completion fish ')
    await assertCompletes(bash, 'skynet tail --fol', 'skynet tail --follow ')
    await assertCompletes(bash, 'skynet tasks --json --lim', 'skynet tasks --json --limit ')
    await assertCompletes(bash, 'skynet tasks --status proc', 'skynet tasks --status processing ')
    await assertCompletes(bash, 'skynet tasks --status=proc', 'skynet tasks --status=processing ')
    await assertCompletes(bash, 'skynet tasks --type flu', 'skynet tasks --type flush_cache ')
    await assertCompletes(bash, 'skynet tasks --object blo', `skynet tasks --object ${site} `)
    await assertCompletes(bash, `skynet show ${String(waiting).slice(0, 2)}`, `skynet show ${waiting} `)
    await assertCompletes(bash, 'skynet tail -f -n 3 7', `skynet tail -f -n 3 ${stuck} `)
    // The verb acts on what is processing alone.
    await assertCompletes(bash, 'skynet fail ', `skynet fail ${stuck} `)
    await assertCompletes(bash, 'skynet show -c config/skynet/sky', 'skynet show -c config/skynet/skynet.conf ')
    await assertCompletes(bash, `skynet show -c config/skynet/skynet.conf 6`, `skynet.conf ${waiting} `)
    await assertCompletes(bash, 'skynet show ', `${waiting}  ${stuck}`)
    await assertCompletes(bash, 'skynet tasks --object ', 'platform_drupal10')
    assertNothingRun()
  })

  test('in a real zsh', async (t) => {
    const zsh = await shellWith(t, 'zsh -f -i', [
      'autoload -Uz compinit && compinit -u -D',
      'source <(skynet completion zsh)',
    ])
    await assertCompletes(zsh, 'skynet his', 'skynet history ')
    await assertCompletes(zsh, 'skynet config ch', 'skynet config check ')
    await assertCompletes(zsh, 'skynet tail --fol', 'skynet tail --follow ')
    await assertCompletes(zsh, 'skynet tasks --status proc', 'skynet tasks --status processing ')
    await assertCompletes(zsh, 'skynet tasks --status=proc', 'skynet tasks --status=processing ')
    await assertCompletes(zsh, 'skynet tasks --object blo', `skynet tasks --object ${site} `)
    await assertCompletes(zsh, `skynet show ${String(waiting).slice(0, 2)}`, `skynet show ${waiting} `)
    await assertCompletes(zsh, 'skynet fail ', `skynet fail ${stuck} `)
    await assertCompletes(zsh, 'skynet show -c config/skynet/sky', 'skynet show -c config/skynet/skynet.conf ')
    assertNothingRun()
  })

  test('in a real fish', async () => {
    const completions = async (line: string) => {
      const script = 'source (skynet completion fish | psub); complete -C $argv[1]'
      const { stdout, stderr } = await sandbox.run('fish', ['--no-config', '-c', script, line])
      assert.equal(stderr, '')
      const words = stdout.split('\n').flatMap((row) => (row === '' ? [] : [row.split('\t')[0]]))
      // Which way round fish gives them is the business of its versions.
      return words.sort()
    }
    assert.deepEqual(await completions('skynet his'), ['history'])
    assert.deepEqual(await completions('skynet config ch'), ['check'])
    assert.deepEqual(await completions('skynet tail --fol'), ['--follow'])
    assert.deepEqual(await completions('skynet tasks --status proc'), ['processing'])
    assert.deepEqual(await completions('skynet tasks --object blo'), [site])
    assert.deepEqual(await completions('skynet show '), [String(waiting), String(stuck)])
    assert.deepEqual(await completions('skynet fail '), [String(stuck)])
    assert.deepEqual(await completions('skynet show -c config/skynet/sky'), ['config/skynet/skynet.conf'])
    assertNothingRun()
  })

  test('says what it cannot do', async () => {
    const wrong = await sandbox.skynet(['completion', 'tcsh'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /Allowed choices are bash, zsh, fish/)
    const { stdout } = await sandbox.skynet(['--help'])
    assert.match(stdout, /completion/)
    assert.doesNotMatch(stdout, /candidates/)
  })
})
