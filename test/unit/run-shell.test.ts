import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { shellOf } from '../../src/runner/adoption.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import { RunShell, type DrushCommand } from '../../src/runner/run-shell.js'
import { RunStore } from '../../src/runner/run-store.js'
import { SpareShell } from '../../src/runner/spare-shell.js'
import { waitFor } from '../sandbox/wait-for.js'

const RUN = '20261120T120000000Z-7-70'
/** Prints what it was given, each word in a line. */
const DRUSH: DrushCommand = { command: 'printf', alias: '%s\\n', nice: 0 }
const processes = new ProcessTable()

let dir: string
let store: RunStore
let shells: RunShell[]
/** A shell keeps nobody alive, and so not this test. */
let alive: NodeJS.Timeout
let umask: number

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skynet-shell-'))
  store = new RunStore(join(dir, 'state'))
  mkdirSync(store.directory(RUN))
  shells = []
  umask = process.umask(0o77)
  alive = setInterval(() => undefined, 60_000)
})
afterEach(() => {
  clearInterval(alive)
  process.umask(umask)
  for (const { identity, isAlive } of shells) if (isAlive) process.kill(-identity.pid, 'SIGKILL')
  rmSync(dir, { recursive: true })
})

const surroundings = () => ({ home: dir, environment: { PATH: process.env['PATH'] }, umask: 0o27 })

function shell(drush = DRUSH): RunShell {
  const made = new RunShell(store.runsDirectory, drush, surroundings(), processes)
  shells.push(made)
  return made
}

const fileOf = (name: string) => join(store.directory(RUN), name)

describe('the shell of a run', () => {
  test('runs drush with its words, whatever is in them, and notes its pid and the exit status', async () => {
    const one = shell()
    one.begin(RUN, ['hosting-task', ' $(7) \\ "'])
    assert.deepEqual(await one.exited, { kind: 'code', code: 0 })
    assert.equal(readFileSync(fileOf('output'), 'utf8'), 'hosting-task\n $(7) \\ "\n')
    assert.equal(readFileSync(fileOf('started'), 'utf8'), `${one.identity.pid}\n`)
    assert.deepEqual(store.readExit(RUN), { kind: 'code', code: 0 })
    for (const name of ['output', 'started', 'exit']) assert.equal(statSync(fileOf(name)).mode & 0o777, 0o600, name)
  })

  test('waits in a session of its own until it is told its run; sent away, it has done nothing', async () => {
    const one = shell()
    assert.equal(processes.read(one.identity.pid)?.session, one.identity.pid)
    assert.equal(one.isAlive, true)
    one.dismiss()
    assert.deepEqual(await one.exited, { kind: 'code', code: 0 })
    assert.equal(one.isAlive, false)
    assert.equal(existsSync(fileOf('started')), false)
  })

  test('does nothing where another daemon has put up its fence', async () => {
    store.fence(RUN)
    const one = shell()
    one.begin(RUN, ['hosting-task', '7'])
    assert.deepEqual(await one.exited, { kind: 'code', code: 125 })
    assert.equal(readFileSync(fileOf('output'), 'utf8').includes('hosting-task'), false)
  })

  test('is known by its output while it lives, and by nothing before it is told its run', async () => {
    const waiting = shell({ command: 'sh', alias: '-c', nice: 0 })
    assert.equal(shellOf(RUN, store, processes), undefined)
    waiting.begin(RUN, ['until [ -e go ]; do sleep 0.01; done'])
    await waitFor(() => existsSync(fileOf('started')), { what: 'the shell' })
    assert.deepEqual(shellOf(RUN, store, processes), waiting.identity)
    rmSync(fileOf('output'))
    assert.deepEqual(shellOf(RUN, store, processes), waiting.identity, 'also when somebody has deleted it')
  })

  test('is not told its run when a link has been planted in the place of the output', async () => {
    symlinkSync(join(dir, 'elsewhere'), fileOf('output'))
    const one = shell()
    assert.throws(() => one.begin(RUN, ['hosting-task', '7']), { code: 'EEXIST' })
    await one.exited
    assert.equal(existsSync(join(dir, 'elsewhere')), false)
  })
})

describe('the spare shell', () => {
  test('is the one that was made ready, unless it has died or drush is another one by now', async () => {
    const spare = new SpareShell(store.runsDirectory, surroundings(), processes)
    const take = (drush: DrushCommand) => {
      const taken = spare.take(drush)
      shells.push(taken)
      return taken
    }
    const before = childrenOfOurs()
    spare.prepare(DRUSH)
    spare.prepare({ ...DRUSH })
    const [ready] = childrenOfOurs().filter((pid) => !before.includes(pid))
    assert.equal(take(DRUSH).identity.pid, ready)

    spare.prepare(DRUSH)
    const other = take({ ...DRUSH, nice: 5 })
    assert.equal(childrenOfOurs().includes(other.identity.pid), true)

    spare.prepare(DRUSH)
    const [killed = 0] = childrenOfOurs().filter(
      (pid) => !before.includes(pid) && !shells.some((one) => one.identity.pid === pid),
    )
    process.kill(killed, 'SIGKILL')
    await waitFor(() => !childrenOfOurs().includes(killed), { what: 'the death of the spare shell' })
    assert.notEqual(take(DRUSH).identity.pid, killed)
    spare.dismiss()
  })
})

function childrenOfOurs(): number[] {
  return processes.list().flatMap(({ pid, parent }) => (parent === process.pid ? [pid] : []))
}
