import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ProcessTable, isSameProcess } from '../../src/runner/process-table.js'
import { sessionState } from '../../src/runner/run-session.js'

let root: string
let table: ProcessTable

before(() => {
  root = mkdtempSync(join(tmpdir(), 'skynet-proc-'))
  mkdirSync(join(root, 'sys/kernel/random'), { recursive: true })
  writeFileSync(join(root, 'sys/kernel/random/boot_id'), 'boot-1\n')
  writeFileSync(join(root, 'machine-id'), 'machine-1\n')
  writeFileSync(join(root, 'uptime'), '1 1')
  process_(100, { args: ['php', 'drush.php', 'hosting-task', '7'], started: 5_000 })
  process_(101, { parent: 100, session: 100, args: ['php', 'provision-verify', '@a'], started: 5_100 })
  process_(102, { parent: 100, session: 100, args: ['sleep', '9'], started: 5_200 })
  process_(103, { parent: 100, session: 100, args: [], started: 5_300, state: 'Z' })
  table = new ProcessTable(root, join(root, 'machine-id'))
})
after(() => rmSync(root, { recursive: true, force: true }))

function process_(
  pid: number,
  { parent = 1, session = pid, args = [] as string[], started = 1, state = 'S', name = 'php' },
): void {
  mkdirSync(join(root, String(pid)), { recursive: true })
  const zeros = Array.from({ length: 15 }, () => '0').join(' ')
  writeFileSync(
    join(root, `${pid}/stat`),
    `${pid} (${name}) ${state} ${parent} ${pid} ${session} ${zeros} ${started} 0 0\n`,
  )
  writeFileSync(join(root, `${pid}/cmdline`), args.map((arg) => `${arg}\0`).join(''))
}

describe('a process', () => {
  test('is read whatever its program is called', () => {
    process_(200, { parent: 3, session: 4, started: 777, name: ') S 9 9 (9' })
    assert.deepEqual(table.read(200), { pid: 200, parent: 3, session: 4, started: 777, dead: false })
  })

  test('is found by its session, however long the numbers before that are', () => {
    process_(202, { parent: 4_194_303, session: 4_194_302, started: 777, name: ') S 9 9 (9' })
    assert.deepEqual(
      table.ofSession(4_194_302).map(({ pid }) => pid),
      [202],
    )
    assert.deepEqual(
      table.ofSession(100).map(({ pid }) => pid),
      [100, 101, 102],
      'one that is dead is none of it',
    )
  })

  test('is looked for among the new ones alone, as long as none of them is of the session', () => {
    writeFileSync(join(root, 'sys/kernel/pid_max'), '32768\n')
    const given = (pid: number) => writeFileSync(join(root, 'loadavg'), `0.1 0.1 0.1 1/74 ${pid}\n`)
    given(100)
    const quick = new ProcessTable(root, join(root, 'machine-id'))
    const pids = (since: number, newest: number) => {
      given(since)
      const mark = quick.sequence.mark()
      given(newest)
      return quick.ofSession(100, mark).map(({ pid }) => pid)
    }
    assert.deepEqual(pids(100, 101), [100, 101, 102], 'one is, so all are looked at')
    assert.deepEqual(pids(103, 104), [], '104 is gone')
    assert.deepEqual(pids(102, 102), [100, 101, 102], 'nothing new cannot be')
  })

  test('has its arguments as they were given, empty ones and ones with spaces included', () => {
    process_(201, { args: ['a b', '', 'c'] })
    assert.deepEqual(table.args(201), ['a b', '', 'c'])
    assert.deepEqual(table.args(103), [])
    assert.deepEqual(table.args(9_999), [])
  })

  test('is known by machine, boot, pid and start time, nothing less', () => {
    const identity = table.identify(100)
    assert.deepEqual(identity, { machine: 'machine-1', boot: 'boot-1', pid: 100, started: 5_000 })
    assert.equal(table.isAlive(identity), true)
    for (const other of [{ machine: 'machine-2' }, { boot: 'boot-2' }, { pid: 101 }, { started: 4_999 }]) {
      assert.equal(table.isAlive({ ...identity, ...other }), false, JSON.stringify(other))
      assert.equal(isSameProcess(identity, { ...identity, ...other }), false)
    }
    assert.equal(isSameProcess(identity, { ...identity }), true)
  })

  test('that is a zombie is not alive, and not listed', () => {
    const zombie = table.identify(103)
    assert.ok(zombie)
    assert.equal(table.isAlive(zombie), false)
    assert.equal(
      table.list().some(({ pid }) => pid === 103),
      false,
    )
  })

  test('that is gone is undefined', () => {
    assert.equal(table.read(9_999), undefined)
    assert.equal(table.identify(9_999), undefined)
  })
})

describe('a session', () => {
  const identity = () => ({ machine: 'machine-1', boot: 'boot-1', pid: 100, started: 5_000 })

  test('lives while its main process does, then while drush or provision goes on, and no longer', () => {
    assert.equal(sessionState(table, identity(), false).kind, 'main alive')
    process_(100, { args: [], started: 5_000, state: 'Z' })
    const orphans = sessionState(table, identity(), false)
    assert.deepEqual(orphans.kind === 'orphans' ? orphans.processes.map(({ pid }) => pid) : [], [101])
    rmSync(join(root, '100'), { recursive: true })
    assert.equal(sessionState(table, identity(), false).kind, 'orphans')
    rmSync(join(root, '101'), { recursive: true })
    assert.equal(sessionState(table, identity(), false).kind, 'empty', 'a sleep does no work of a task')
  })

  test('of a pid that is another program’s by now, or of another boot or machine, is empty', () => {
    process_(101, { parent: 1, session: 100, args: ['php', 'provision-verify'], started: 9_100 })
    process_(100, { args: ['vim'], started: 9_000 })
    assert.equal(sessionState(table, identity(), false).kind, 'empty')
    assert.equal(sessionState(table, { ...identity(), started: 9_000, boot: 'boot-0' }, false).kind, 'empty')
    assert.equal(sessionState(table, { ...identity(), started: 9_000, machine: 'machine-2' }, false).kind, 'empty')
  })
})

describe('this machine', () => {
  test('knows itself, and a child from its start to its end', async () => {
    const here = new ProcessTable()
    assert.notEqual(here.boot, 'unknown')
    const self = here.identify(process.pid)
    assert.ok(self && here.isAlive(self))
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    const exit = once(child, 'exit')
    const identity = here.identify(child.pid ?? 0)
    assert.ok(identity && here.isAlive(identity))
    assert.equal(here.read(identity.pid)?.session, identity.pid)
    assert.equal(here.read(identity.pid)?.parent, process.pid)
    child.kill('SIGKILL')
    await exit
    assert.equal(here.isAlive(identity), false)
  })
})
