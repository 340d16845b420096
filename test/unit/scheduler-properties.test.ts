import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NEEDS_ARGUMENTS, SITE_TASKS } from '../../src/scheduler/task-types.js'
import { plan, startNow } from '../../src/scheduler/plan.js'
import type { PlanInput, RunKind, RunningTask, WaitingTask } from '../../src/scheduler/plan.js'
import type { Topology } from '../../src/scheduler/topology.js'
import { check, disturbs } from '../sandbox/conflict-checker.js'
import type { Interval } from '../sandbox/conflict-checker.js'
import { conflict, model } from './scheduler-model.js'
import { NOW, NOW_S, platform, server, site, topology } from './scheduler-world.js'

/** Servers 1 to 4 of which 4 is a pack of 5 and 6, platforms 11 to 16, sites 101 to 130, the first the hostmaster. */
const WORLD: Topology = topology({
  servers: [server(1), server(2), server(3), server(4, [5, 6]), server(5), server(6)],
  platforms: [1, 2, 3, 4, 5, 1].map((web, i) => platform(11 + i, web)),
  sites: [...Array(30).keys()].map((i) => ({
    ...site(101 + i, 11 + (i % 6), 1 + (i % 3), `${i % 4 === 0 ? 'same-sixteen-chars' : ''}${101 + i}.example.com`),
    hostmaster: i === 0,
  })),
})

const rid = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 101, max: 130 }) },
  { weight: 3, arbitrary: fc.integer({ min: 11, max: 16 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
)
/** Sometimes an object that nobody knows. */
const anyRid = fc.oneof({ weight: 60, arbitrary: rid }, { weight: 1, arbitrary: fc.constantFrom(0, 999) })

const type = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('verify', 'verify', 'backup', 'login-reset', 'delete') },
  { weight: 2, arbitrary: fc.constantFrom(...SITE_TASKS.keys()) },
  { weight: 1, arbitrary: fc.constantFrom('mystery', '', 'lock') },
)

const args = fc.record({
  target_platform: fc.integer({ min: 11, max: 16 }).map(String),
  new_uri: fc.constantFrom('new.example.com', 'www.other.example.com', ''),
  new_db_server: fc.constantFrom('', '2', '3'),
  source: fc.constantFrom('105', '112'),
})

function waitingTasks(size: { minLength?: number; maxLength: number }): fc.Arbitrary<WaitingTask[]> {
  const task = fc.record({
    nid: fc.integer({ min: 1000, max: 90_000 }),
    type,
    rid: anyRid,
    changed: fc.oneof(fc.integer({ min: NOW_S - 5, max: NOW_S }), fc.integer({ min: NOW_S - 4000, max: NOW_S })),
    arguments: args,
    parkedUntil: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, NOW + 60_000),
    bulk: fc.constantFrom(false, false, true),
  })
  return fc
    .uniqueArray(task, { ...size, selector: ({ nid }) => nid })
    .map((tasks) => tasks.map((each) => ({ ...each, vid: each.nid + 100_000 })))
}

/** Running tasks, as far as they may run together. */
const runningTasks: fc.Arbitrary<RunningTask[]> = fc
  .uniqueArray(
    fc.record({
      nid: fc.integer({ min: 1, max: 999 }),
      type,
      rid,
      arguments: args,
      kind: fc.constantFrom<RunKind>('own', 'own', 'own', 'ended', 'foreign', 'orphaned', 'nested', 'stuck'),
    }),
    { maxLength: 5, selector: ({ nid }) => nid },
  )
  .map((tasks) => {
    const running: RunningTask[] = []
    for (const task of tasks) {
      const holds = running.filter(({ kind }) => kind !== 'stuck')
      if (task.kind === 'stuck' || !holds.some((each) => conflict(each, task, WORLD))) running.push(task)
    }
    return running
  })

function worlds(maxLength: number, minLength = 0): fc.Arbitrary<PlanInput> {
  return fc.record({
    waiting: waitingTasks({ minLength, maxLength }),
    running: runningTasks,
    topology: fc.constant(WORLD),
    limits: fc.record({ concurrentTasks: fc.integer({ min: 0, max: 12 }), parentsFirst: fc.constant(false) }),
    now: fc.constant(NOW),
    urgentInARow: fc.integer({ min: 0, max: 12 }),
  })
}

/** Half of the worlds with the parents-first rule. */
const anyWorld = fc
  .tuple(worlds(40), fc.boolean())
  .map(([world, parentsFirst]): PlanInput => ({ ...world, limits: { ...world.limits, parentsFirst } }))

function startedBy(world: PlanInput): WaitingTask[] {
  return plan(world).start.map(({ task }) => task)
}

test('It starts exactly what looking at every pair of tasks would start, in the same order.', () => {
  fc.assert(
    fc.property(worlds(40), (world) => {
      assert.deepEqual(
        startedBy(world).map(({ nid }) => nid),
        model(world),
      )
    }),
    { numRuns: 1500 },
  )
})

test('Also in worlds of thousands of tasks.', () => {
  fc.assert(
    fc.property(worlds(3000, 2000), (world) => {
      // The model takes the square of their number; the pairs are then looked at in the whole world.
      const small = { ...world, waiting: world.waiting.slice(0, 400) }
      assert.deepEqual(
        startedBy(small).map(({ nid }) => nid),
        model(small),
      )
      assertSound(world)
    }),
    { numRuns: 5 },
  )
})

/** What holds for every plan, in pairs. */
function assertSound(world: PlanInput): void {
  const { start, waiting } = plan(world)
  const started = start.map(({ task }) => task)
  const running = world.running.filter(({ kind }) => kind !== 'stuck')
  for (const [i, task] of started.entries()) {
    for (const other of [...running, ...started.slice(0, i)]) {
      assert.ok(!conflict(task, other, world.topology), `${task.nid} and ${other.nid} hold conflicting locks`)
      assert.notEqual(task.rid, other.rid)
    }
    const earlier = world.waiting.find(
      (each) => each.rid === task.rid && (each.changed - task.changed || each.nid - task.nid) < 0,
    )
    assert.equal(earlier, undefined, `${task.nid} overtakes on its own object`)
  }
  assert.equal(started.length + waiting.size, world.waiting.length, 'every task starts or has a reason')
}

test('No two running tasks hold conflicting locks; each object is strictly first come, first served.', () => {
  fc.assert(fc.property(anyWorld, assertSound), { numRuns: 1000 })
})

test('The result does not depend on the order of the input.', () => {
  const shuffled = anyWorld.chain((world) =>
    fc
      .tuple(
        fc.shuffledSubarray([...world.waiting], { minLength: world.waiting.length }),
        fc.shuffledSubarray([...world.running], { minLength: world.running.length }),
      )
      .map(([waiting, running]) => ({ world, other: { ...world, waiting, running } })),
  )
  fc.assert(
    fc.property(shuffled, ({ world, other }) => {
      assert.deepEqual(plan(other).start, plan(world).start)
      assert.deepEqual(plan(other).waiting, new Map(plan(world).waiting))
    }),
    { numRuns: 500 },
  )
})

test('Without reasons it starts the same.', () => {
  fc.assert(
    fc.property(anyWorld, (world) => assert.deepEqual(startNow(world), plan(world).start)),
    { numRuns: 500 },
  )
})

test('Every reason is true, and who it names stands in the way.', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const { start, waiting } = plan(world)
      const active = new Set([...world.running.map(({ nid }) => nid), ...start.map(({ task }) => task.nid)])
      const all = new Map([...world.running, ...world.waiting].map((task) => [task.nid, task]))
      for (const [nid, reason] of waiting) {
        const task = all.get(nid)
        assert.ok(task)
        const inTheWay = (other: number) => {
          const found = all.get(other)
          assert.ok(found)
          return found
        }
        if (reason.kind === 'behind-same-object') assert.equal(inTheWay(reason.task.nid).rid, task.rid)
        if (reason.kind === 'waits-for-lock') {
          assert.ok(active.has(reason.holder.nid))
          assert.ok(conflict(task, inTheWay(reason.holder.nid), WORLD))
        }
        if (reason.kind === 'must-not-overtake') {
          assert.ok(!active.has(reason.task.nid))
          assert.ok(conflict(task, inTheWay(reason.task.nid), WORLD))
        }
        if (reason.kind === 'no-free-slot') {
          const taken = world.running.filter(({ kind }) => kind === 'own' || kind === 'orphaned').length
          assert.ok(taken + start.length >= world.limits.concurrentTasks)
        }
      }
    }),
    { numRuns: 500 },
  )
})

/** Runs everything to its end; each task takes as many steps as `lengths` says. */
function drain(world: PlanInput, lengths: readonly number[]): Interval[] {
  const journal: Interval[] = []
  let waiting = world.waiting.map((task) => ({ ...task, parkedUntil: 0 }))
  let running: { task: RunningTask; end: number }[] = []
  let urgentInARow = 0
  for (let step = 0; waiting.length > 0; step++) {
    running = running.filter(({ end }) => end > step)
    const now = NOW + step * 60_000
    const { start } = plan({ ...world, waiting, running: running.map(({ task }) => task), now, urgentInARow })
    assert.ok(running.length + start.length > 0, 'all tasks wait for each other')
    for (const { task, footprint, urgent } of start) {
      const end = step + (lengths[task.nid % lengths.length] ?? 1)
      running.push({ task: { ...task, kind: 'own', footprint }, end })
      journal.push({ ...task, start: step, end })
      urgentInARow = urgent ? urgentInARow + 1 : 0
    }
    const gone = new Set(start.map(({ task }) => task.nid))
    waiting = waiting.filter(({ nid }) => !gone.has(nid))
  }
  return journal
}

test('Every queue ends, and the independent checker finds no forbidden overlap and no object out of order.', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(anyWorld, lengths, (world, steps) => {
      const limits = { ...world.limits, concurrentTasks: Math.max(1, world.limits.concurrentTasks) }
      const journal = drain({ ...world, running: [], limits }, steps)
      assert.equal(journal.length, world.waiting.length)
      assert.deepEqual(check(journal, WORLD), [])
    }),
    { numRuns: 300 },
  )
})

test('When both wait, a parent is verified before its children run, and deleted after them.', () => {
  fc.assert(
    fc.property(worlds(25), (world) => {
      // Tasks that take what they are not on (the hostmaster, what is unknown) disturb without being a child.
      const onlyOnSites = (task: WaitingTask) =>
        WORLD.sites.has(task.rid) && SITE_TASKS.has(task.type) && !NEEDS_ARGUMENTS.has(task.type)
      const known = (task: WaitingTask) => onlyOnSites(task) || ['verify', 'delete'].includes(task.type)
      const waiting = world.waiting.filter((task) => task.rid > 0 && task.rid !== 101 && task.rid < 999 && known(task))
      const first = {
        ...world,
        waiting,
        running: [],
        limits: { concurrentTasks: 1, parentsFirst: true, priorities: false },
      }
      const [started] = startedBy(first)
      if (started === undefined) return
      const parked = (task: WaitingTask) => (task.parkedUntil ?? 0) > NOW
      const objectHead = (task: WaitingTask) =>
        !waiting.some((each) => each.rid === task.rid && (each.changed - task.changed || each.nid - task.nid) < 0)
      const level = (task: WaitingTask) =>
        WORLD.servers.has(task.rid) ? 0 : WORLD.platforms.has(task.rid) ? 1 : WORLD.sites.has(task.rid) ? 2 : 3
      for (const other of waiting.filter((each) => !parked(each) && objectHead(each))) {
        if (other === started || !conflict(started, other, WORLD)) continue
        const child = level(started) === 2 || (level(started) === 1 && started.type === 'verify')
        if (other.type === 'verify' && level(other) < level(started)) assert.ok(!child, `${other.nid} is a parent`)
        const deletes = started.type === 'delete' && other.type === 'delete'
        if (deletes && level(started) < level(other)) assert.ok(level(other) > 2, `${other.nid} is to be deleted first`)
      }
    }),
    { numRuns: 1000 },
  )
})

test('Bulk work ends although login links never stop coming.', () => {
  let bulk: WaitingTask[] = [...Array(30).keys()].map((i) => ({
    nid: 1 + i,
    vid: 1 + i,
    type: 'verify',
    rid: 101 + i,
    changed: NOW_S,
    arguments: {},
    bulk: true,
  }))
  let urgentInARow = 0
  for (let step = 0; bulk.length > 0; step++) {
    assert.ok(step < 30 * 11, 'bulk starves')
    const logins = [1, 2].map((i) => ({
      nid: 5000 + 2 * step + i,
      type: 'login-reset',
      rid: 116 + i,
      changed: NOW_S + step,
    }))
    const waiting = [...bulk, ...logins.map((task) => ({ ...task, vid: task.nid, arguments: {} }))]
    const limits = { concurrentTasks: 1 }
    const [next] = plan({ waiting, running: [], topology: WORLD, limits, now: NOW, urgentInARow }).start
    assert.ok(next)
    urgentInARow = next.urgent ? urgentInARow + 1 : 0
    bulk = bulk.filter((task) => task !== next.task)
  }
})

test('Whatever the conflict table forbids is forbidden; only for databases and moves more than that.', () => {
  const two = fc.tuple(type, anyRid, args, type, anyRid, args)
  fc.assert(
    fc.property(two, ([typeA, ridA, argsA, typeB, ridB, argsB]) => {
      const a = { nid: 1, type: typeA, rid: ridA, arguments: argsA }
      const b = { nid: 2, type: typeB, rid: ridB, arguments: argsB }
      const forbidden = disturbs(a, b, WORLD)
      if (forbidden) assert.ok(ridA === ridB || conflict(a, b, WORLD))
      const stricter = ['clone', 'migrate', 'sync', 'restore', 'install']
      if (!forbidden && !stricter.includes(typeA) && !stricter.includes(typeB)) assert.ok(!conflict(a, b, WORLD))
    }),
    { numRuns: 5000 },
  )
})

test('No data makes it throw, however absurd.', () => {
  const absurd = fc.oneof(
    fc.double(),
    fc.maxSafeInteger(),
    fc.constantFrom(NaN, Infinity, -Infinity, -1, 0, 1e308, 101),
  )
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('', '__proto__', 'constructor', '\u0000', 'x'.repeat(70_000), 'verify'),
  )
  const task = fc.record({
    nid: absurd,
    vid: absurd,
    type: text,
    rid: absurd,
    changed: absurd,
    object: text,
    parkedUntil: absurd,
    arguments: fc.dictionary(text, text),
    startedAt: absurd,
    kind: fc.constantFrom<RunKind>('own', 'ended', 'foreign', 'orphaned', 'nested', 'stuck'),
  })
  const limits = fc.record({
    concurrentTasks: absurd,
    runsPerWebServer: absurd,
    siteVerifiesPerPlatform: absurd,
    settle: absurd,
  })
  const world = fc.record({
    waiting: fc.array(task, { maxLength: 20 }),
    running: fc.array(task, { maxLength: 5 }),
    topology: fc.constant(WORLD),
    limits,
    now: absurd,
    urgentInARow: absurd,
  })
  fc.assert(
    fc.property(world, (each) => {
      plan(each)
      startNow(each)
    }),
    { numRuns: 500 },
  )
})
