import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DaemonEvent } from '../../src/observe/event.js'
import { Metrics, loadPrometheus, type Gauges } from '../../src/observe/metrics.js'
import { PrometheusText } from '../sandbox/prometheus-text.js'

const GAUGES: Gauges = {
  running: 2,
  waiting: { next: 0, paused: 7 },
  oldestWaiting: 12.5,
  databaseUp: true,
  leads: false,
}

const prometheus = await loadPrometheus()
const metrics = () => new Metrics(prometheus, '1.2.3', () => 1_700_000_000_500)
const page = async (of: Metrics) => new PrometheusText(await of.text(GAUGES))

type Settled = Extract<DaemonEvent, { kind: 'task settled' }>

function settled(type: string, outcome: string, more: Partial<Settled> = {}): DaemonEvent {
  const task = { nid: 130, vid: 135, type, object: 'shop.example.com', run: 'r-130-135' }
  return { kind: 'task settled', task, outcome, givenUp: false, duration: 2_000, exitCode: 0, signal: null, ...more }
}

describe('the metrics', () => {
  test('are these and no others', async () => {
    const { names } = await page(metrics())
    assert.deepEqual(names.sort(), [
      'skynet_build_info',
      'skynet_db_up',
      'skynet_last_poll_timestamp_seconds',
      'skynet_leader',
      'skynet_oldest_waiting_seconds',
      'skynet_poll_duration_seconds',
      'skynet_task_duration_seconds',
      'skynet_task_wait_seconds',
      'skynet_tasks_running',
      'skynet_tasks_total',
      'skynet_tasks_waiting',
    ])
  })

  test('count runs by type and outcome, and take the durations of those that did their task', async () => {
    const all = metrics()
    for (const outcome of ['success', 'success', 'warning', 'error', 'not started', 'taken elsewhere', 'outage']) {
      all.note(settled('verify', outcome))
    }
    all.note(settled('verify', 'not started', { givenUp: true }))
    all.note(settled('clone', 'success', { duration: null }))
    const text = await page(all)
    const count = (outcome: string) => text.value('skynet_tasks_total', { type: 'verify', outcome })
    assert.deepEqual(
      ['success', 'warning', 'error', 'not_started', 'taken_elsewhere', 'outage', 'given_up'].map(count),
      [2, 1, 1, 1, 1, 1, 1],
    )
    assert.equal(text.value('skynet_tasks_total', { type: 'clone', outcome: 'success' }), 1)
    assert.deepEqual(text.histogram('skynet_task_duration_seconds', { type: 'verify' }), { count: 4, sum: 8 })
    assert.equal(text.histogram('skynet_task_duration_seconds', { type: 'clone' }), undefined)
  })

  test('show waits, polls, and what is so in the moment', async () => {
    const all = metrics()
    const task = { nid: 130, vid: 135, type: 'verify', object: 'shop.example.com', run: 'r-130-135' }
    all.note({ kind: 'task started', task, waited: 1_500 })
    all.note({ kind: 'polled', duration: 4 })
    const text = await page(all)
    assert.deepEqual(text.histogram('skynet_task_wait_seconds'), { count: 1, sum: 1.5 })
    assert.deepEqual(text.histogram('skynet_poll_duration_seconds'), { count: 1, sum: 0.004 })
    assert.equal(text.value('skynet_last_poll_timestamp_seconds'), 1_700_000_000.5)
    assert.equal(text.value('skynet_tasks_running'), 2)
    assert.equal(text.value('skynet_tasks_waiting', { reason: 'paused' }), 7)
    assert.equal(text.value('skynet_tasks_waiting', { reason: 'next' }), 0)
    assert.equal(text.value('skynet_oldest_waiting_seconds'), 12.5)
    assert.equal(text.value('skynet_db_up'), 1)
    assert.equal(text.value('skynet_leader'), 0)
    assert.equal(text.value('skynet_build_info', { version: '1.2.3', node: process.version }), 1)
  })

  test('have no label out of a client’s hand, and never more than so many types', async () => {
    const all = metrics()
    for (const type of ['', 'Verify', 'a b', 'x"} 1\nevil 1', 'é', '130', 'x'.repeat(65)])
      all.note(settled(type, 'success'))
    for (let number = 0; number < 500; number += 1) all.note(settled(`type${number}`, 'success'))
    const { labels, total, value } = await page(all).then((text) => ({
      labels: text.labels,
      total: text.total('skynet_tasks_total'),
      value: text.value('skynet_tasks_total', { type: 'other', outcome: 'success' }),
    }))
    assert.equal(total, 507)
    assert.equal(value, 507 - 64)
    const types = labels.filter((label) => label.startsWith('type='))
    assert.equal(types.length, 65)
    for (const label of types) assert.match(label, /^type=(type\d+|other)$/)
    assert.ok(!labels.some((label) => /130|example/.test(label)), labels.join())
  })
})
