import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { ForeignRuns, worksOn } from '../../src/daemon/foreign-runs.js'
import type { TaskRow } from '../../src/hostmaster/task-queries.js'
import type { Process, ProcessTable } from '../../src/runner/process-table.js'

const TASK: TaskRow = {
  nid: 130,
  vid: 136,
  status: -1,
  type: 'verify',
  rid: 12,
  changed: 0,
  object: 'a.example.com',
  arguments: {},
}

describe('a command line', () => {
  const cases: [string, boolean][] = [
    ['php /usr/share/drush/drush.php @hostmaster hosting-task 130', true],
    ['php drush.php @hostmaster hosting-task 130 --force', true],
    ['php drush.php @hostmaster hosting-task --strict=0 130', true],
    ['php drush.php @hostmaster hosting-task @a.example.com verify', true],
    ['php drush.php @hostmaster hosting-task a.example.com verify force=1', true],
    ['php drush.php provision-verify @a.example.com --backend', true],
    ['php drush.php @a.example.com provision-verify --backend', true],
    ['php drush.php @hostmaster hosting-task 1300', false],
    ['php drush.php @hostmaster hosting-task 13', false],
    ['php drush.php @hostmaster hosting-task @a.example.com backup', false],
    ['php drush.php @hostmaster hosting-task @b.example.com verify', false],
    ['php drush.php @a.example.com provision-backup --backend', false],
    ['php drush.php @hostmaster hosting-tasks', false],
    ['php drush.php @hostmaster hosting-task', false],
    ['vim hosting-task-130', false],
    ['', false],
  ]
  for (const [line, expected] of cases) {
    test(`“${line}” ${expected ? 'works' : 'does not work'} on the task`, () => {
      assert.equal(worksOn(line.split(' '), TASK), expected)
    })
  }

  test('never matches a task of an object without a name', () => {
    const task = { ...TASK, object: '' }
    assert.equal(worksOn(['drush', 'hosting-task', '', 'verify'], task), false)
    assert.equal(worksOn(['drush', '@', 'provision-verify'], task), false)
  })
})

describe('a processing task that is not ours', () => {
  let processes: Map<number, Process & { args: string[] }>
  let ofOthers: Set<number>
  let foreign: ForeignRuns

  beforeEach(() => {
    processes = new Map()
    ofOthers = new Set()
    const table = {
      list: () => [...processes.values()],
      read: (pid: number) => processes.get(pid),
      args: (pid: number) => processes.get(pid)?.args ?? [],
      isOurs: (pid: number) => !ofOthers.has(pid),
    }
    foreign = new ForeignRuns(table as unknown as ProcessTable)
  })

  function process(pid: number, args: string, { parent = 1, session = pid } = {}): void {
    processes.set(pid, { pid, parent, session, started: 1, dead: false, args: args.split(' ') })
  }

  function look(claim?: string, sessions = new Map<number, string>()): string[] {
    return foreign.look([TASK], sessions, () => claim).map(({ is }) => is.kind)
  }

  test('is foreign while a process works on it, and tells which', () => {
    process(500, 'php drush.php @hostmaster hosting-task 130')
    assert.deepEqual(look(), ['foreign'])
    assert.deepEqual(foreign.all[0]?.is, { kind: 'foreign', pid: 500 })
    processes.clear()
    assert.deepEqual([look(), look()], [['foreign'], ['stuck']])
  })

  test('is not foreign because of a process of another user, whose Aegir has the same nids', () => {
    process(500, 'php drush.php @hostmaster hosting-task 130')
    ofOthers.add(500)
    assert.deepEqual([look(), look()], [['foreign'], ['stuck']])
  })

  test('is nested when its process is in the session of one of our runs', () => {
    process(500, 'php drush.php @hostmaster hosting-task 130', { session: 77 })
    assert.deepEqual(look(undefined, new Map([[77, 'run-1']])), ['nested'])
    assert.deepEqual(foreign.all[0]?.is, { kind: 'nested', run: 'run-1' })
  })

  test('is nested when an ancestor is one of our runs, though it made a session of its own', () => {
    process(77, 'sh -c skynet-run', { session: 77 })
    process(400, 'php provision-migrate', { parent: 77, session: 77 })
    process(500, 'php drush.php @hostmaster hosting-task 130', { parent: 400, session: 500 })
    assert.deepEqual(look(undefined, new Map([[77, 'run-1']])), ['nested'])
  })

  test('is foreign to a circle of parents, and the search ends', () => {
    process(500, 'php drush.php @hostmaster hosting-task 130', { parent: 501 })
    process(501, 'sh', { parent: 500 })
    assert.deepEqual(look(undefined, new Map([[77, 'run-1']])), ['foreign'])
  })

  test('without a process keeps its object for one more look, and is stuck then', () => {
    assert.deepEqual(look(), ['foreign'])
    assert.deepEqual(foreign.all[0]?.is, { kind: 'foreign', pid: 0 })
    assert.equal(foreign.unsure, true)
    assert.deepEqual(look(), ['stuck'])
    assert.equal(foreign.unsure, false)
    assert.deepEqual(look(), ['stuck'])
  })

  test('without a process here, but claimed by a daemon elsewhere, is that one’s for as long as the claim stands', () => {
    for (let count = 0; count < 4; count += 1) assert.deepEqual(look('skynet:other'), ['elsewhere'])
    look()
    assert.deepEqual(look(), ['stuck'])
  })

  test('is forgotten when it is no longer processed, and looked at afresh when it is again', () => {
    look()
    look()
    assert.deepEqual(
      foreign.look([], new Map(), () => undefined),
      [],
    )
    assert.deepEqual(look(), ['foreign'])
  })
})
