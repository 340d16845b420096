import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReason, plan, startNow } from '../../src/scheduler/plan.js'
import type { Halt, PlanInput, Reason, RunKind, WaitingTask } from '../../src/scheduler/plan.js'
import { emptyTopology } from '../../src/scheduler/topology.js'
import { input, NOW, NOW_S, platform, running, server, site, SMALL, topology, waiting } from './scheduler-world.js'

function starts(world: PlanInput): number[] {
  return plan(world).start.map(({ task }) => task.nid)
}

/** The reason of one task, as `kind nid-or-resource`. */
function why(world: PlanInput, nid: number): string {
  const reason = plan(world).waiting.get(nid)
  assert.ok(reason, `task ${nid} has no reason`)
  switch (reason.kind) {
    case 'behind-same-object':
      return `behind ${reason.task.nid}${reason.running ? ' running' : ''}`
    case 'waits-for-lock':
      return `${reason.resource} held by ${reason.holder.nid}`
    case 'must-not-overtake':
      return `${reason.resource} claimed by ${reason.task.nid}`
    default:
      return reason.kind
  }
}

/** 120 sites, 101 to 220, on 40 platforms of 20 servers: limits of servers and platforms are not met. */
const WIDE = topology({
  servers: [...Array(20).keys()].map((i) => server(1 + i)),
  platforms: [...Array(40).keys()].map((i) => platform(30 + i, 1 + (i % 20))),
  sites: [...Array(120).keys()].map((i) => site(101 + i, 30 + (i % 40), 1 + (i % 20))),
})

describe('One slot', () => {
  test('Twelve tasks on five objects come in the order of node.changed, then nid.', () => {
    const objects = [101, 10, 103, 1, 105]
    const tasks = [...Array(12).keys()].map((i) =>
      waiting(200 - i, i % 3 === 0 ? 'verify' : 'backup', objects[i % 5] ?? 0, { changed: NOW_S - 50 + (i >> 1) }),
    )
    const expected = [...tasks].sort((a, b) => a.changed - b.changed || a.nid - b.nid).map(({ nid }) => nid)
    const ran: number[] = []
    let left = tasks
    while (left.length > 0) {
      const [next, ...more] = starts(input(left, { limits: { concurrentTasks: 1 } }))
      assert.ok(next !== undefined)
      assert.deepEqual(more, [])
      ran.push(next)
      left = left.filter(({ nid }) => nid !== next)
    }
    assert.deepEqual(ran, expected)
  })

  test('With nothing known of the objects, tasks run one at a time in their order.', () => {
    const tasks = [waiting(3, 'verify', 7), waiting(1, 'backup', 8), waiting(2, 'install', 9)]
    assert.deepEqual(starts(input(tasks, { topology: emptyTopology() })), [1])
  })
})

describe('One object', () => {
  test('Its tasks run one after the other, the first come first.', () => {
    const world = input([waiting(2, 'backup', 101), waiting(1, 'verify', 101), waiting(3, 'verify', 103)])
    assert.deepEqual(starts(world), [1, 3])
    assert.equal(why(world, 2), 'behind 1 running')
  })

  test('A login link does not overtake there.', () => {
    const world = input([waiting(1, 'verify', 10), waiting(2, 'login-reset', 101), waiting(3, 'login-reset', 101)], {
      running: [running(9, 'migrate', 104, { arguments: { target_platform: '10' } })],
    })
    assert.equal(why(world, 3), 'behind 2')
  })

  test('A nid that is listed twice starts once, with its newest vid.', () => {
    const world = input([waiting(1, 'verify', 101, { vid: 7 }), waiting(1, 'verify', 103, { vid: 9 })])
    assert.deepEqual(
      plan(world).start.map(({ task }) => task.vid),
      [9],
    )
  })
})

describe('Running tasks', () => {
  const foreign = (kind: RunKind) =>
    input([waiting(1, 'verify', 10), waiting(2, 'backup', 101), waiting(3, 'backup', 103)], {
      running: [running(9, 'verify', 10, { kind })],
      limits: { concurrentTasks: 1 },
    })

  test("A foreign run on a platform makes that platform's sites wait, takes no slot, and nothing else waits.", () => {
    assert.deepEqual(starts(foreign('foreign')), [3])
    assert.equal(why(foreign('foreign'), 1), 'behind 9 running')
    assert.equal(why(foreign('foreign'), 2), 'platform:10 held by 9')
  })

  test('An orphaned run holds its slot and its locks.', () => {
    assert.deepEqual(starts(foreign('orphaned')), [])
    assert.equal(why(foreign('orphaned'), 3), 'no-free-slot')
  })

  test('A run that has only to be settled holds its locks, takes no slot and burdens no server.', () => {
    assert.deepEqual(starts(foreign('ended')), [3])
    assert.equal(why(foreign('ended'), 2), 'platform:10 held by 9')
    const onServer1 = (kind: RunKind) =>
      input([waiting(4, 'backup', 161)], {
        topology: WIDE,
        running: [101, 121, 141].map((rid, i) => running(1 + i, 'backup', rid, { kind })),
        limits: { concurrentTasks: 6 },
      })
    assert.equal(why(onServer1('own'), 4), 'server-limit')
    assert.deepEqual(starts(onServer1('ended')), [4])
  })

  test('A nested run holds its locks and takes no slot.', () => assert.deepEqual(starts(foreign('nested')), [3]))

  test('A stuck task holds nothing.', () => assert.deepEqual(starts(foreign('stuck')), [1]))

  test('A run keeps the locks of its start, also when a migrate has moved its site meanwhile.', () => {
    const [first] = plan(input([waiting(1, 'migrate', 101, { arguments: { target_platform: '11' } })])).start
    assert.ok(first)
    const moved = topology({
      servers: [...SMALL.servers.values()],
      platforms: [...SMALL.platforms.values()],
      sites: [site(101, 11, 1), site(102, 10, 1)],
    })
    const record = JSON.parse(JSON.stringify(first.footprint)) as typeof first.footprint
    const world = input([waiting(2, 'verify', 102)], {
      topology: moved,
      running: [running(1, 'migrate', 101, { footprint: record })],
    })
    assert.equal(why(world, 2), 'platform:10 held by 1')
  })
})

describe('Overtaking', () => {
  const clone = running(9, 'clone', 104, { arguments: { target_platform: '10', new_uri: 'new.example.com' } })

  test('What conflicts with a task further ahead waits for it; what does not goes on.', () => {
    const world = input([waiting(1, 'verify', 10), waiting(2, 'backup', 101), waiting(3, 'backup', 103)], {
      running: [clone],
    })
    assert.deepEqual(starts(world), [3])
    assert.equal(why(world, 1), 'platform:10 held by 9')
    // Both are true of the second; that somebody is using it is said first.
    assert.equal(why(world, 2), 'platform:10 held by 9')
    const server = input([waiting(1, 'verify', 1), waiting(2, 'backup', 103)], { running: [clone] })
    assert.equal(why(server, 2), 'server:1 claimed by 1')
  })

  for (const [what, rid] of [
    ['server', 1],
    ['hostmaster site', 100],
  ] as const) {
    test(`A login link passes the verify of a ${what} that waits for a long clone, for 15 minutes.`, () => {
      const after = (minutes: number) =>
        input([waiting(1, 'verify', rid, { changed: NOW_S - minutes * 60 }), waiting(2, 'login-reset', 103)], {
          running: [clone],
        })
      assert.deepEqual(starts(after(14)), [2])
      assert.deepEqual(starts(after(15)), [])
    })
  }

  test('Only an interactive task does so, and only past verifies.', () => {
    assert.deepEqual(starts(input([waiting(1, 'verify', 1), waiting(2, 'run', 103)], { running: [clone] })), [])
    assert.deepEqual(starts(input([waiting(1, 'delete', 1), waiting(2, 'login-reset', 103)], { running: [clone] })), [])
  })

  test('A login link and the verify that it could pass do not start together.', () => {
    const world = input([waiting(1, 'verify', 1), waiting(2, 'login-reset', 103)])
    assert.deepEqual(starts(world), [1])
    assert.equal(why(world, 2), 'server:1 held by 1')
  })
})

describe('Interactive before bulk', () => {
  const bulk = [...Array(100).keys()].map((i) => waiting(1 + i, 'verify', 101 + i))
  const login = waiting(500, 'login-reset', 220)
  const world = (tasks: WaitingTask[], more: Partial<PlanInput> = {}) =>
    input(tasks, { topology: WIDE, limits: { concurrentTasks: 1 }, ...more })

  test('A login link queued behind a hundred verifies is next.', () => {
    assert.deepEqual(starts(world([...bulk, login])), [500])
  })

  test('Also when its own site is to be verified first: then that verify is next.', () => {
    assert.deepEqual(starts(world([...bulk, waiting(500, 'login-reset', 180)])), [80])
  })

  test('Ten alike are no batch: they keep the order of the queue.', () => {
    assert.deepEqual(starts(world([...bulk.slice(0, 10), login])), [1])
    assert.deepEqual(starts(world([...bulk.slice(0, 11), login])), [500])
  })

  test('Tasks that a plan has called bulk stay so when the others of their batch are done.', () => {
    assert.deepEqual(starts(world([waiting(1, 'verify', 101, { bulk: true }), login])), [500])
  })

  test("Verifies queued by a running verify of their platform or server are bulk, before and after it they aren't.", () => {
    const from = (changed: number) =>
      world([waiting(1, 'verify', 101, { changed }), login], {
        limits: { concurrentTasks: 1 },
        running: [running(9, 'verify', 50, { kind: 'foreign', startedAt: NOW - 20_000 })],
        topology: topology({
          servers: [server(1)],
          platforms: [platform(49, 1), platform(50, 1)],
          sites: [site(101, 50, 1), site(220, 49, 1)],
        }),
      })
    const early = from(NOW_S - 70)
    assert.equal(why(early, 1), 'platform:50 held by 9')
    assert.deepEqual(starts(from(NOW_S - 10)), [500])
  })

  test('A batch of an interactive type is bulk itself, so that one login link does not wait for it.', () => {
    const deletions = bulk.map((task) => ({ ...task, type: 'backup-delete' }))
    assert.deepEqual(starts(world([...deletions, login])), [500])
  })

  test('After ten urgent starts in a row the queue decides once, so that bulk work always ends.', () => {
    assert.deepEqual(starts(world([...bulk, login], { urgentInARow: 9 })), [500])
    assert.deepEqual(starts(world([...bulk, login], { urgentInARow: 10 })), [1])
  })

  test('Without priorities the order of the queue is kept.', () => {
    assert.deepEqual(starts(world([...bulk, login], { limits: { concurrentTasks: 1, priorities: false } })), [1])
  })
})

describe('Parents and children that both wait', () => {
  test('Servers are verified before platforms, and platforms before tasks of their sites.', () => {
    const tasks = [waiting(1, 'backup', 101), waiting(2, 'verify', 10), waiting(3, 'verify', 1)]
    assert.deepEqual(starts(input(tasks)), [3])
    assert.deepEqual(starts(input(tasks.slice(0, 2))), [2])
    assert.equal(why(input(tasks), 1), 'server:1 held by 3')
  })

  test('Sites are deleted before their platform, and platforms before their server.', () => {
    const tasks = [waiting(1, 'delete', 1), waiting(2, 'delete', 11), waiting(3, 'delete', 103)]
    assert.deepEqual(starts(input(tasks)), [3])
    assert.deepEqual(starts(input(tasks.slice(0, 2))), [2])
    assert.equal(why(input(tasks), 2), 'platform:11 held by 3')
  })

  test('Tasks of one object keep their order all the same.', () => {
    const tasks = [waiting(1, 'delete', 11), waiting(2, 'verify', 11), waiting(3, 'delete', 103)]
    assert.deepEqual(starts(input(tasks)), [3])
    assert.deepEqual(starts(input(tasks.slice(0, 2))), [1])
  })

  test('A child that has waited a day longer is not kept waiting by its parent.', () => {
    const tasks = [waiting(1, 'backup', 101, { changed: NOW_S - 90_000 }), waiting(2, 'verify', 10)]
    assert.deepEqual(starts(input(tasks)), [1])
  })
})

describe('Limits', () => {
  const sites = [...Array(8).keys()].map((i) => site(101 + i, 30 + (i % 4), 9))
  const world = (type: string, more: Partial<PlanInput> = {}) =>
    input(
      sites.map(({ nid }) => waiting(nid, type, nid)),
      {
        topology: topology({
          servers: [server(1, [2]), server(2), server(9)],
          platforms: [30, 31, 32, 33].map((nid) => platform(nid, nid === 33 ? 2 : 1)),
          sites,
        }),
        ...more,
      },
    )

  test('Three runs at a time on one web server, its members included, unless the operator says otherwise.', () => {
    assert.deepEqual(starts(world('backup')), [101, 102, 103])
    assert.equal(why(world('backup'), 104), 'server-limit')
    assert.deepEqual(starts(world('backup', { limits: { concurrentTasks: 100, runsPerWebServer: 5 } })).length, 5)
  })

  test('Two verifies of sites at a time on one platform, unless the operator says otherwise.', () => {
    const onOne = (limit?: number) => {
      const tasks = [101, 102, 103].map((nid) => waiting(nid, 'verify', nid))
      return starts(
        input(tasks, {
          topology: topology({
            servers: [server(1)],
            platforms: [platform(30, 1)],
            sites: [101, 102, 103].map((nid) => site(nid, 30, 1)),
          }),
          limits: { concurrentTasks: 9, ...(limit !== undefined && { siteVerifiesPerPlatform: limit }) },
        }),
      )
    }
    assert.deepEqual(onOne(), [101, 102])
    assert.deepEqual(onOne(3), [101, 102, 103])
    assert.deepEqual(onOne(0), [101])
  })

  test('As many start as there are free slots, and lowering their number ends nothing.', () => {
    const slots = (concurrentTasks: number, running: PlanInput['running'] = []) =>
      starts(
        input(
          [1, 2, 3].map((i) => waiting(i, 'backup', 100 + i)),
          { limits: { concurrentTasks }, running },
        ),
      ).length
    assert.equal(slots(2), 2)
    assert.equal(slots(0), 0)
    assert.equal(slots(-3), 0)
    assert.equal(slots(NaN), 1)
    assert.equal(slots(1, [running(8, 'backup', 104), running(9, 'backup', 105)]), 0)
  })

  test('With all slots taken no waiting task is looked at.', () => {
    const untouchable = new Proxy({} as WaitingTask, {
      get: () => assert.fail('a waiting task was looked at'),
    })
    const full = input([untouchable], { running: [running(9, 'backup', 105)], limits: { concurrentTasks: 1 } })
    assert.deepEqual(startNow(full), [])
  })
})

describe('Waiting for a time', () => {
  test('A parked task keeps its object waiting, and nothing else.', () => {
    const world = input([
      waiting(1, 'verify', 10, { parkedUntil: NOW + 1 }),
      waiting(2, 'verify', 10),
      waiting(3, 'backup', 101),
    ])
    assert.deepEqual(starts(world), [3])
    assert.equal(why(world, 1), 'parked')
    assert.equal(why(world, 2), 'behind 1')
    assert.deepEqual(starts({ ...world, now: NOW + 1 }), [1])
  })

  test('A task that another Skynet has claimed is parked too, and says whose it is.', () => {
    const world = input([waiting(1, 'verify', 10, { parkedUntil: NOW + 1, claimed: true }), waiting(3, 'backup', 101)])
    assert.deepEqual(starts(world), [3])
    assert.equal(why(world, 1), 'claimed-elsewhere')
  })

  test('A paused task keeps its object waiting, and nothing else.', () => {
    const pause = { type: 'verify', object: null, by: 'aegir', since: NOW, until: null, reason: '' }
    const world = input([
      waiting(1, 'verify', 10, { paused: pause }),
      waiting(2, 'backup', 10),
      waiting(3, 'backup', 101),
    ])
    assert.deepEqual(starts(world), [3])
    assert.equal(why(world, 1), 'task-paused')
    assert.equal(why(world, 2), 'behind 1')
  })

  test('A task younger than settle waits until it is old enough, but not for a clock that is far ahead.', () => {
    const at = (changed: number) =>
      input([waiting(1, 'verify', 101, { changed })], { limits: { concurrentTasks: 1, settle: 5000 } })
    assert.equal(why(at(NOW_S - 4), 1), 'settling')
    assert.deepEqual(starts(at(NOW_S - 5)), [1])
    assert.deepEqual(starts(at(NOW_S + 3600)), [1])
  })

  const halts: Halt[] = [
    { kind: 'paused', by: 'an operator', since: NOW, reason: 'upgrade' },
    { kind: 'not-leading', leader: 'web2:77' },
    { kind: 'foreign-lock', holder: 'hosting-queued', until: NOW },
    { kind: 'outage', what: 'the database is not reachable' },
    { kind: 'overloaded', load: 12.345, limit: 10 },
    { kind: 'stopping' },
  ]
  for (const halted of halts) {
    test(`Nothing starts while ${halted.kind}, and every task says so.`, () => {
      const world = input([waiting(1, 'verify', 101), waiting(2, 'verify', 103)], { halted })
      assert.deepEqual(starts(world), [])
      assert.deepEqual(startNow(world), [])
      assert.equal(why(world, 2), halted.kind)
    })
  }
})

describe('A reason in one sentence', () => {
  const task = { nid: 7, type: 'clone', object: 'one.example.com' }
  const sentences: [Reason, string][] = [
    [
      { kind: 'paused', by: 'admin', since: 0, reason: 'upgrade' },
      'The queue is paused by admin since 1970-01-01T00:00:00Z (upgrade).',
    ],
    [{ kind: 'not-leading' }, 'This daemon does not lead: another one runs the queue.'],
    [{ kind: 'foreign-lock', holder: 'x', until: NaN }, "Aegir's queue lock is held by x."],
    [{ kind: 'outage', what: 'drush is missing' }, 'Nothing can run: drush is missing.'],
    [
      { kind: 'overloaded', load: 12.345, limit: 10 },
      'The machine is overloaded: its load is 12.35, and drush refuses to start above 10.',
    ],
    [{ kind: 'stopping' }, 'The daemon is stopping and starts nothing any more.'],
    [
      { kind: 'parked', until: 1000 },
      'An earlier attempt did not get through; it will be tried again after 1970-01-01T00:00:01Z.',
    ],
    [
      { kind: 'claimed-elsewhere', vid: 8 },
      'Another Skynet, of another machine or state directory, has claimed it (skynet_run_8 in the table semaphore): it is left to that one.',
    ],
    [
      {
        kind: 'task-paused',
        pause: { type: 'migrate', object: null, by: 'aegir', since: 1000, until: 2000, reason: 'slow disk' },
      },
      'It is paused, with all migrate tasks, by aegir since 1970-01-01T00:00:01Z until 1970-01-01T00:00:02Z (slow disk).',
    ],
    [
      {
        kind: 'task-paused',
        pause: { type: null, object: 'a.example.com', by: 'aegir', since: 0, until: null, reason: '' },
      },
      'It is paused, with all tasks of a.example.com, by aegir.',
    ],
    [{ kind: 'settling', until: 1e300 }, 'It has only just been queued and may start soon.'],
    [
      { kind: 'behind-same-object', task, running: true },
      'It waits behind clone task 7 of one.example.com, which is running on the same object.',
    ],
    [
      { kind: 'waits-for-lock', resource: 'server:3', holder: task },
      'It waits for server 3, which clone task 7 of one.example.com is using.',
    ],
    [
      { kind: 'must-not-overtake', resource: 'everything', task: { nid: 7, type: '', object: '' } },
      'It must not overtake task 7, which waits before it and needs the whole of Aegir too.',
    ],
    [
      { kind: 'waits-for-lock', resource: 'database:3:one', holder: task },
      'It waits for the database name one on server 3, which clone task 7 of one.example.com is using.',
    ],
    [{ kind: 'server-limit', server: 3, limit: 3 }, 'Server 3 already has its limit of 3 runs at a time.'],
    [
      { kind: 'platform-limit', platform: 10, limit: 2 },
      'Platform 10 already has its limit of 2 site verifies at a time.',
    ],
    [{ kind: 'no-free-slot', slots: 1 }, 'It could start, but the only slot is taken.'],
    [{ kind: 'no-free-slot', slots: 4 }, 'It could start, but all 4 slots are taken.'],
  ]
  for (const [reason, sentence] of sentences) {
    test(`${reason.kind}: ${sentence}`, () => assert.equal(describeReason(reason), sentence))
  }

  test('Objects are called by their names where the caller knows them.', () => {
    const names = new Map([[3, 'db1.example.com']])
    const sentence = describeReason({ kind: 'waits-for-lock', resource: 'server:3', holder: task }, (nid) =>
      names.get(nid),
    )
    assert.equal(sentence, 'It waits for server db1.example.com, which clone task 7 of one.example.com is using.')
  })
})
