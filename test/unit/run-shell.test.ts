import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { shellOf } from '../../src/runner/adoption.js'
import { ProcessTable } from '../../src/runner/process-table.js'
import type { RunExit } from '../../src/runner/run-record.js'
import { RunShell, type DrushCommand } from '../../src/runner/run-shell.js'
import { RunStore } from '../../src/runner/run-store.js'
import { ShellPool } from '../../src/runner/shell-pool.js'
import { waitFor } from '../sandbox/wait-for.js'

const RUN = '20261120T120000000Z-7-70'
const NEXT = '20261120T120001000Z-8-71'
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
  for (const { identity } of shells) if (processes.isAlive(identity)) process.kill(-identity.pid, 'SIGKILL')
  rmSync(dir, { recursive: true })
})

const surroundings = () => ({ home: dir, environment: { PATH: process.env['PATH'] }, umask: 0o27 })

function shell(drush = DRUSH): RunShell {
  const made = new RunShell(store.runsDirectory, drush, surroundings(), processes)
  shells.push(made)
  return made
}

const noted = (exit: RunExit) => ({ exit, isNoted: true })
const unnoted = (exit: RunExit) => ({ exit, isNoted: false })

const fileOf = (name: string) => join(store.directory(RUN), name)

describe('the shell of a run', () => {
  test('runs drush with its words, whatever is in them, and notes its pid and the exit status', async () => {
    const one = shell()
    assert.deepEqual(await one.begin(RUN, ['hosting-task', ' $(7) \\ "']), noted({ kind: 'code', code: 0 }))
    assert.equal(readFileSync(fileOf('output'), 'utf8'), 'hosting-task\n $(7) \\ "\n')
    assert.equal(readFileSync(fileOf('started'), 'utf8'), `${one.identity.pid}\n`)
    assert.deepEqual(store.notes.readExit(RUN), { kind: 'code', code: 0 })
    for (const name of ['output', 'started', 'exit']) assert.equal(statSync(fileOf(name)).mode & 0o777, 0o600, name)
  })

  test('waits in a session of its own until it is told its run; sent away, it has done nothing', async () => {
    const one = shell()
    assert.equal(processes.read(one.identity.pid)?.session, one.identity.pid)
    assert.equal(one.isWaiting, true)
    one.dismiss()
    await gone(one)
    assert.equal(one.isWaiting, false)
    assert.equal(existsSync(fileOf('started')), false)
  })

  test('does nothing where another daemon has put up its fence', async () => {
    store.notes.fence(RUN)
    const one = shell()
    assert.deepEqual(await one.begin(RUN, ['hosting-task', '7']), unnoted({ kind: 'code', code: 125 }))
    assert.equal(readFileSync(fileOf('output'), 'utf8').includes('hosting-task'), false)
  })

  test('is known by its output while it lives, and by nothing before it is told its run', async () => {
    const waiting = shell({ command: 'sh', alias: '-c', nice: 0 })
    assert.equal(shellOf(RUN, store, processes), undefined)
    void waiting.begin(RUN, ['until [ -e go ]; do sleep 0.01; done'])
    await waitFor(() => existsSync(fileOf('started')), { what: 'the shell' })
    assert.deepEqual(shellOf(RUN, store, processes), waiting.identity)
    rmSync(fileOf('output'))
    assert.deepEqual(shellOf(RUN, store, processes), waiting.identity, 'also when somebody has deleted it')
  })

  test('does nothing where a link has been planted in the place of the output', async () => {
    symlinkSync(join(dir, 'elsewhere'), fileOf('output'))
    const one = shell()
    assert.deepEqual(await one.begin(RUN, ['hosting-task', '7']), unnoted({ kind: 'code', code: 125 }))
    assert.equal(existsSync(join(dir, 'elsewhere')), false)
  })

  test('waits for another run when it has told how drush ended, and is known as the old one no more', async () => {
    const one = shell({ command: 'sh', alias: '-c', nice: 0 })
    assert.deepEqual(await one.begin(RUN, ['echo first; trap "" PIPE; exit 3']), noted({ kind: 'code', code: 3 }))
    assert.equal(one.isWaiting, true)
    assert.equal(shellOf(RUN, store, processes), undefined)
    mkdirSync(store.directory(NEXT))
    assert.deepEqual(await one.begin(NEXT, ['echo second; kill -9 $$']), noted({ kind: 'signal', signal: 'KILL' }))
    assert.equal(readFileSync(fileOf('output'), 'utf8'), 'first\n')
    assert.deepEqual(store.notes.readExit(RUN), { kind: 'code', code: 3 })
    assert.equal(readFileSync(join(store.directory(NEXT), 'started'), 'utf8'), `${one.identity.pid}\n`)
    assert.deepEqual(store.notes.readExit(NEXT), { kind: 'signal', signal: 'KILL' })
  })

  test('gives drush neither its channel nor its traps', async () => {
    const one = shell({ command: 'sh', alias: '-c', nice: 0 })
    await one.begin(RUN, ['ls -l /proc/$$/fd; while read -r line; do echo "$line"; done < /proc/$$/status'])
    const output = readFileSync(fileOf('output'), 'utf8')
    assert.match(output, / 0 -> \/dev\/null\n/)
    assert.doesNotMatch(output, /socket:/)
    assert.match(output, /\nSigBlk:\t0+\nSigIgn:\t0+\n/)
  })

  test('notes how drush ended, and leaves, when the daemon has gone meanwhile', async () => {
    const one = shell({ command: 'sh', alias: '-c', nice: 0 })
    const told = one.begin(RUN, ['until [ -e go ]; do sleep 0.01; done; exit 4'])
    one.dismiss()
    await waitFor(() => existsSync(fileOf('started')), { what: 'the shell' })
    writeFileSync(join(dir, 'go'), '')
    await gone(one)
    assert.deepEqual(store.notes.readExit(RUN), { kind: 'code', code: 4 })
    assert.deepEqual(await told, unnoted({ kind: 'signal', signal: 'PIPE' }), 'which nobody reads who has the note')
  })

  test('that has died since it was taken says so when it is told its run', async () => {
    const one = shell()
    process.kill(one.identity.pid, 'SIGKILL')
    await waitFor(() => !existsSync(`/proc/${one.identity.pid}`), { what: 'Node to collect the dead shell' })
    assert.deepEqual(await one.begin(RUN, ['hosting-task', '7']), unnoted({ kind: 'unknown' }))
  })

  test('leaves with the status that it could not note', async () => {
    const one = shell({ command: 'sh', alias: '-c', nice: 0 })
    mkdirSync(fileOf('exit'))
    assert.deepEqual(await one.begin(RUN, ['exit 5']), unnoted({ kind: 'code', code: 5 }))
    await gone(one)
  })
})

describe('the pool of shells', () => {
  let pool: ShellPool
  beforeEach(() => (pool = new ShellPool(store.runsDirectory, surroundings(), processes)))
  afterEach(() => pool.dismiss())

  function take(drush: DrushCommand): RunShell {
    const taken = pool.take(drush)
    shells.push(taken)
    return taken
  }

  test('gives the one that was made ready, unless it has died or drush is another one by now', async () => {
    const before = childrenOfOurs()
    pool.prepare(DRUSH)
    pool.prepare({ ...DRUSH })
    const [ready] = childrenOfOurs().filter((pid) => !before.includes(pid))
    assert.equal(take(DRUSH).identity.pid, ready)

    pool.prepare(DRUSH)
    const other = take({ ...DRUSH, nice: 5 })
    assert.equal(childrenOfOurs().includes(other.identity.pid), true)

    pool.prepare(DRUSH)
    const [killed = 0] = childrenOfOurs().filter(
      (pid) => !before.includes(pid) && !shells.some((one) => one.identity.pid === pid),
    )
    process.kill(killed, 'SIGKILL')
    await waitFor(() => !existsSync(`/proc/${killed}`), { what: 'Node to collect the dead shell' })
    assert.notEqual(take(DRUSH).identity.pid, killed)
  })

  test('gives one again whose run is over, and keeps no more than four', async () => {
    const first = take(DRUSH)
    await first.begin(RUN, ['hosting-task', '7'])
    pool.giveBack(first)
    assert.equal(take(DRUSH), first)

    const five = [first, ...[1, 2, 3, 4].map(() => take(DRUSH))]
    for (const one of five) pool.giveBack(one)
    const sentAway = five.at(-1)
    assert.ok(sentAway)
    await gone(sentAway)
    assert.equal(five.filter(({ isWaiting }) => isWaiting).length, 4)
  })

  test('sends one away whose drush still runs', async () => {
    const busy = take({ command: 'sh', alias: '-c', nice: 0 })
    void busy.begin(RUN, ['sleep 60'])
    pool.giveBack(busy)
    const other = take({ command: 'sh', alias: '-c', nice: 0 })
    assert.notEqual(other, busy)
    await waitFor(() => existsSync(fileOf('started')), { what: 'the shell' })
    assert.equal(existsSync(fileOf('exit')), false)
  })
})

async function gone({ identity }: RunShell): Promise<void> {
  await waitFor(() => !processes.isAlive(identity), { what: 'the end of the shell' })
}

function childrenOfOurs(): number[] {
  return processes.list().flatMap(({ pid, parent }) => (parent === process.pid ? [pid] : []))
}
