import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { BulkMarks } from '../../src/daemon/bulk-marks.js'
import { QueueMirror } from '../../src/daemon/queue-mirror.js'
import type { TaskRow } from '../../src/hostmaster/task-queries.js'
import type { RunRecord } from '../../src/runner/run-record.js'
import type { RunningTask } from '../../src/scheduler/plan.js'
import type { Topology } from '../../src/scheduler/topology.js'

const [SERVER, PLATFORM] = [1, 2]
const NOW = 1_700_000_000
const topology: Topology = {
  sites: new Map(
    [...Array(20).keys()].map((i) => {
      const site = { nid: 100 + i, uri: `s${i}`, platform: PLATFORM, dbServer: SERVER, client: 9, hostmaster: false }
      return [site.nid, site]
    }),
  ),
  platforms: new Map([[PLATFORM, { nid: PLATFORM, webServer: SERVER }]]),
  servers: new Map([[SERVER, { nid: SERVER, members: [], services: [] }]]),
  contexts: new Map(),
}

let mirror: QueueMirror
let marks: BulkMarks

beforeEach(() => {
  mirror = new QueueMirror()
  marks = new BulkMarks()
})

function task(nid: number, changed: number, type = 'verify'): TaskRow {
  return { nid, vid: nid, status: 0, type, rid: 100 + (nid % 20), changed, object: '', arguments: {} }
}

const bulk = () => [...mirror.waiting.values()].filter((row) => row.bulk === true).map(({ nid }) => nid)

describe('a waiting task is bulk', () => {
  test('as one of a batch, and stays so when the others are done and when it is read anew', () => {
    for (let nid = 1; nid <= 11; nid++) mirror.put(task(nid, NOW, 'backup'))
    marks.mark(mirror, [], topology)
    for (let nid = 1; nid <= 8; nid++) mirror.remove(nid)
    mirror.put(task(50, NOW + 60, 'login-reset'))
    mirror.put(task(9, NOW, 'backup'))
    marks.mark(mirror, [], topology)
    assert.deepEqual(bulk().sort(), [10, 11, 9].sort())
  })

  test('not as one of ten, and not when it is queued again', () => {
    for (let nid = 1; nid <= 10; nid++) mirror.put(task(nid, NOW, 'backup'))
    marks.mark(mirror, [], topology)
    assert.deepEqual(bulk(), [])
    mirror.put(task(11, NOW, 'backup'))
    marks.mark(mirror, [], topology)
    for (let nid = 1; nid <= 10; nid++) mirror.remove(nid)
    mirror.put({ ...task(11, NOW + 900, 'backup'), vid: 99 })
    marks.mark(mirror, [], topology)
    assert.deepEqual(bulk(), [])
  })

  test('when the verify of its platform or server queued it, also if that verify has ended before this shows', () => {
    const ran = { type: 'verify', started_at: NOW * 1000 - 400, ended_at: (NOW + 20) * 1000 + 100 } as RunRecord
    marks.runEnded({ ...ran, rid: SERVER, footprint: { object: 'server', locks: [], webServers: [] } })
    for (const [nid, changed] of [
      [1, NOW - 2],
      [2, NOW],
      [3, NOW + 20],
      [4, NOW + 30],
    ] as const)
      mirror.put(task(nid, changed))
    mirror.put(task(5, NOW + 5, 'backup'))
    marks.mark(mirror, [], topology)
    assert.deepEqual(bulk(), [2, 3])
  })

  test('when that verify runs, and it stays so thereafter; the verify of a site queues nothing', () => {
    const verify = { nid: 7, type: 'verify', rid: PLATFORM, arguments: {}, kind: 'own', startedAt: NOW * 1000 } as const
    mirror.put(task(1, NOW + 5))
    marks.mark(mirror, [verify satisfies RunningTask], topology)
    assert.deepEqual(bulk(), [1])
    marks.runEnded({ type: 'verify', rid: 101, footprint: { object: 'site' }, started_at: 1, ended_at: 2 } as RunRecord)
    mirror.put(task(2, NOW + 900))
    marks.mark(mirror, [], topology)
    assert.deepEqual(bulk(), [1])
  })
})
