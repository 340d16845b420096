import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DrushOutage } from '../../src/daemon/drush-outage.js'

function outageAt(time: { now: number }): DrushOutage {
  return new DrushOutage({ now: () => time.now, monotonic: () => time.now, pause: () => Promise.resolve() })
}

const wait = (outage: DrushOutage, now: number) =>
  outage.state.kind === 'out' ? outage.state.probeAt - now : undefined

test('one task that fails while drush answers is at fault itself, however often', () => {
  const outage = outageAt({ now: 0 })
  for (let attempt = 1; attempt <= 5; attempt++) assert.deepEqual(outage.failed(1, undefined), { kind: 'attempt' })
  assert.equal(outage.state.kind, 'working')
})

test('two different tasks in a row are an outage, unless one got through between them', () => {
  const outage = outageAt({ now: 0 })
  outage.failed(1, undefined)
  assert.equal(outage.gotThrough(), false)
  assert.deepEqual(outage.failed(2, undefined), { kind: 'attempt' })
  assert.deepEqual(outage.failed(3, undefined), { kind: 'outage', new: true })
  assert.equal(outage.state.kind === 'out' && outage.state.by, 'tasks')
  assert.equal(outage.statusAnswers(), false, 'status answered all the time')
  assert.equal(outage.gotThrough(), true)
  assert.equal(outage.state.kind, 'working')
})

test('a drush that does not answer is an outage from the first failure, ended by its answer', () => {
  const outage = outageAt({ now: 0 })
  assert.deepEqual(outage.failed(1, 'no alias'), { kind: 'outage', new: true })
  assert.deepEqual(outage.failed(1, 'no alias'), { kind: 'outage', new: false })
  assert.equal(outage.statusAnswers(), true)
  assert.equal(outage.statusAnswers(), false)
})

test('the waits between probes grow to a minute, and begin anew with the next outage', () => {
  const time = { now: 0 }
  const outage = outageAt(time)
  outage.failed(1, 'no alias')
  const waits = [wait(outage, time.now)]
  for (let probe = 1; probe <= 6; probe++) {
    time.now += waits.at(-1) ?? 0
    outage.stillOut('no alias')
    waits.push(wait(outage, time.now))
  }
  assert.deepEqual(waits, [1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 60_000])
  outage.statusAnswers()
  outage.failed(1, 'no alias')
  assert.equal(wait(outage, time.now), 1_000)
})

test('runs that were under way when the outage began do not make the first wait longer', () => {
  const outage = outageAt({ now: 0 })
  for (let nid = 1; nid <= 8; nid++) assert.equal(outage.failed(nid, 'no alias').kind, 'outage')
  assert.equal(wait(outage, 0), 1_000)
})

test('probes go through all the tasks, round after round, so that none waits behind some that never start', () => {
  const time = { now: 0 }
  const outage = outageAt(time)
  const tasks = [1, 2, 3, 4].map((nid) => ({ nid }))
  const tried: number[] = []
  const probe = (among = tasks) => {
    time.now += 60_000
    const [next] = outage.probeFrom(among)
    assert.ok(next)
    tried.push(next.nid)
    outage.failed(next.nid, undefined)
  }
  for (let number = 1; number <= 10; number++) probe()
  assert.deepEqual(tried, [1, 2, 3, 4, 1, 2, 3, 1, 2, 4], 'the last of a round is not the first of the next')
  for (let number = 1; number <= 4; number++) probe([...tasks, { nid: 5 }])
  assert.ok(tried.slice(-4).includes(5), 'one that is new has its turn within the round')
  assert.deepEqual(outage.probeFrom([{ nid: 1 }]), [{ nid: 1 }], 'the only one is tried again and again')
  assert.deepEqual(outage.probeFrom([]), [])
})
