import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { TopologyReader } from '../../src/daemon/topology-reader.js'
import type { DatabaseConnection } from '../../src/hostmaster/connection.js'

const NO_TYPES = new Map()

let looks: number
let reads: number
let platform: number
let reader: TopologyReader

beforeEach(() => {
  looks = 0
  reads = 0
  platform = 20
  reader = new TopologyReader()
})

/** One site; no object has been saved in a time that is looked at. */
const connection = {
  rows: (statement: string) => {
    if (statement.includes('changed >= ?')) looks += 1
    if (!statement.includes('FROM hosting_site')) return Promise.resolve([])
    reads += 1
    return Promise.resolve([{ nid: 10, uri: 'a.example', platform, db_server: 2, client: 3 }])
  },
} as unknown as DatabaseConnection

const refresh = (now: number) => reader.refresh(connection, null, NO_TYPES, now)

describe('the topology before a start', () => {
  test('is looked at once for starts that follow closely, and anew for any other', async () => {
    await refresh(100_000)
    await refresh(100_050)
    assert.equal(looks, 1)
    await refresh(100_051)
    assert.equal(looks, 2)
    assert.equal(reads, 1, 'nothing has changed')
  })

  test('is looked at again when tasks have come to light, which may have been saved with their object', async () => {
    await refresh(100_000)
    reader.askAnew()
    await refresh(100_001)
    assert.equal(looks, 2)
  })

  test('is read anew after a drush that may have stamped what it saved with a time long past', async () => {
    await refresh(100_000)
    platform = 21
    reader.drushEnded(29_999)
    assert.equal((await refresh(101_000)).topology.sites.get(10)?.platform, 20)
    reader.drushEnded(30_000)
    assert.equal((await refresh(102_000)).topology.sites.get(10)?.platform, 21)
    platform = 22
    reader.drushEnded(null)
    assert.equal((await refresh(103_000)).topology.sites.get(10)?.platform, 22)
    await refresh(104_000)
    assert.equal(reads, 3, 'once each time')
  })

  test('is still to be read anew when that has failed', async () => {
    await refresh(100_000)
    platform = 21
    reader.drushEnded(null)
    const broken = { rows: () => Promise.reject(new Error('gone')) } as unknown as DatabaseConnection
    reader.askAnew()
    await assert.rejects(reader.refresh(broken, null, NO_TYPES, 101_000))
    reader.askAnew()
    assert.equal((await refresh(102_000)).topology.sites.get(10)?.platform, 21)
  })
})
