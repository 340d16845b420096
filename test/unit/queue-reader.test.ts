import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { QueueReader } from '../../src/daemon/queue-reader.js'
import type { DatabaseConnection } from '../../src/hostmaster/connection.js'

const MINUTE = 60_000

interface Row {
  nid: number
  vid: number
  status: number
  current: boolean
}

/** Aegir's tables as far as the reader asks for them; it counts what it is asked. */
class FakeTables {
  rows: Row[] = []
  server = 'one'
  asked: string[] = []
  /** Whether the last poll looked which rows are current. */
  isOneByOne = false

  add(vid: number, status = 0, { nid = vid, current = true } = {}): void {
    for (const row of this.rows) if (row.nid === nid) row.current = false
    this.rows.push({ nid, vid, status, current })
  }

  set(vid: number, status: number): void {
    for (const row of this.rows) if (row.vid === vid) row.status = status
  }

  get connection(): DatabaseConnection {
    const rows = (statement: string, values: number[]) => Promise.resolve(this.#answer(statement, values))
    return { rows } as unknown as DatabaseConnection
  }

  #answer(statement: string, [low = 0, high = Infinity, from = 0]: number[]): unknown[] {
    const current = this.rows.filter((row) => row.current)
    if (statement.includes("'overlap'")) {
      this.asked.push('poll')
      this.isOneByOne = from < high
      const text = (value: string | number) => Buffer.from(String(value))
      const within = (above: number) => (row: Row) => row.vid > above && row.vid <= high
      const sum = (rows: Row[]) => rows.reduce((sum, { vid, status }) => sum + (status === 0 ? vid : 0), 0)
      const all = this.rows.filter(within(low))
      const waiting = current.filter(within(from)).filter(({ status }) => status === 0)
      return [
        { kind: 'max', name: null, number: Math.max(0, ...this.rows.map(({ vid }) => vid)), text: null },
        { kind: 'server', name: null, number: null, text: text(this.server) },
        { kind: 'rows', name: text(all.length), number: sum(all), text: null },
        { kind: 'overlap', name: text(waiting.length), number: sum(waiting), text: null },
      ]
    }
    if (statement.includes('hosting_task_arguments')) return []
    const isRange = statement.includes('t.vid <= ?')
    this.asked.push(isRange ? `range ${low}-${high}` : `above ${low}`)
    return current
      .filter(({ vid, status }) => vid > low && (!isRange || (vid <= high && (status === 0 || status === -1))))
      .map(({ nid, vid, status }) => ({
        nid,
        vid,
        status,
        type: 'verify',
        rid: 1,
        changed: 0,
        context: null,
        title: null,
      }))
  }
}

let tables: FakeTables
let reader: QueueReader

beforeEach(() => {
  tables = new FakeTables()
  reader = new QueueReader()
})

async function poll(now: number): Promise<string[]> {
  tables.asked = []
  await reader.poll(tables.connection, 'skynet:lock', now)
  return tables.asked
}

function waiting(): number[] {
  return [...reader.mirror.waiting.keys()].sort((a, b) => a - b)
}

describe('the reader', () => {
  test('knows the whole queue after the first poll, whatever its length', async () => {
    for (const vid of [5, 30_000, 70_000]) tables.add(vid)
    await poll(0)
    assert.equal(reader.complete, true)
    assert.deepEqual(waiting(), [5, 30_000, 70_000])
  })

  test('asks one statement while nothing changes', async () => {
    tables.add(5)
    await poll(0)
    assert.deepEqual(await poll(500), ['poll'])
    assert.deepEqual(await poll(1_000), ['poll'])
  })

  test('finds what is new above the mark, and forgets what has got a newer revision', async () => {
    tables.add(5)
    await poll(0)
    tables.add(8)
    assert.deepEqual(await poll(500), ['poll', 'above 5'])
    assert.deepEqual(waiting(), [5, 8])
    tables.add(9, -1, { nid: 5 })
    await poll(1_000)
    assert.deepEqual([waiting(), [...reader.mirror.processing.keys()]], [[8], [5]])
  })

  test('finds a lower vid that commits late, and a cancelling under the same vid, by the window alone', async () => {
    for (const vid of [5_000, 5_010]) tables.add(vid)
    await poll(0)
    tables.add(4_200)
    assert.deepEqual(await poll(500), ['poll', 'range 4010-5010'])
    assert.deepEqual(waiting(), [4_200, 5_000, 5_010])
    tables.set(5_000, 3)
    await poll(1_000)
    assert.deepEqual(waiting(), [4_200, 5_010])
  })

  test('looks at the rows of a window one by one once, and after that for whether something has changed', async () => {
    for (const vid of [5_000, 5_010]) tables.add(vid)
    tables.add(5_020, 1, { nid: 5_000 })
    await poll(0)
    await poll(500)
    assert.equal(tables.isOneByOne, true)
    await poll(1_000)
    assert.equal(tables.isOneByOne, false)
    tables.add(4_500)
    tables.set(5_000, 2)
    assert.deepEqual(await poll(1_500), ['poll', 'range 4020-5020'])
    assert.deepEqual([waiting(), tables.isOneByOne], [[4_500, 5_010], false])
    assert.deepEqual(await poll(2_000), ['poll'])
    reader.mirror.remove(5_010)
    assert.deepEqual(await poll(2_500), ['poll', 'range 4020-5020'])
    assert.deepEqual(waiting(), [4_500, 5_010])
    tables.add(5_030)
    assert.deepEqual(await poll(3_000), ['poll', 'above 5020'])
    await poll(3_500)
    assert.equal(tables.isOneByOne, true, 'another window')
  })

  test('reads nothing again for a start, and notices one whose vid comes late', async () => {
    for (const vid of [5_000, 5_010]) tables.add(vid)
    await poll(0)
    await poll(500)
    tables.add(5_020, -1, { nid: 5_000 })
    assert.deepEqual([await poll(1_000), tables.isOneByOne], [['poll', 'above 5010'], false])
    await poll(1_500)
    tables.add(5_015, -1, { nid: 5_010 })
    assert.deepEqual([await poll(2_000), tables.isOneByOne], [['poll', 'range 4020-5020'], false])
    assert.deepEqual([waiting(), [...reader.mirror.processing.keys()]], [[], [5_000, 5_010]])
  })

  test('believes for ten seconds only that nothing has changed', async () => {
    for (const vid of [5_000, 5_010]) tables.add(vid)
    await poll(0)
    await poll(500)
    for (const row of tables.rows) row.current &&= row.vid === 5_000
    for (let now = 1_000; now < 10_500; now += 500) assert.deepEqual(await poll(now), ['poll'])
    assert.deepEqual(waiting(), [5_000, 5_010])
    assert.deepEqual(await poll(10_500), ['poll', 'range 4010-5010'])
    assert.deepEqual(waiting(), [5_000])
  })

  test('looks back less often the more there is to look at, of waiting tasks or of rows', async () => {
    tables.add(100_000, 1)
    await poll(0)
    for (let vid = 100_001; vid <= 105_000; vid += 1) tables.add(vid, 1)
    await poll(500)
    await poll(1_000)
    assert.deepEqual(reader.window(1_000, 500), { floor: 105_000, mark: 105_000 }, 'nor does the server in its place')
    tables.add(104_000, 0, { nid: 200_000 })
    for (let now = 1_500; now < 2_600; now += 500) assert.deepEqual(await poll(now), ['poll'])
    assert.deepEqual(await poll(3_000), ['poll', 'range 100000-105000'])
    assert.deepEqual(waiting(), [200_000])
    for (let vid = 105_001; vid <= 109_000; vid += 1) tables.add(vid)
    await poll(3_500)
    tables.add(104_001, 0, { nid: 200_001 })
    for (let now = 4_000; now < 7_000; now += 500) assert.deepEqual(await poll(now), ['poll'])
    assert.deepEqual(await poll(7_000), ['poll', 'range 100000-109000'])
  })

  test('finds one below the window within ten minutes, in steps that poll after poll takes one of', async () => {
    tables.add(100_000, 1)
    await poll(0)
    tables.add(50)
    assert.deepEqual(await poll(9 * MINUTE), ['poll'])
    assert.deepEqual(waiting(), [])
    const steps: string[][] = []
    for (let count = 0; count < 6; count += 1) steps.push(await poll(10 * MINUTE + 500 * count))
    assert.deepEqual(steps[0], ['poll', 'range 0-20000'])
    assert.deepEqual(waiting(), [50])
    assert.deepEqual(steps[4], ['poll', 'range 80000-100000'])
    assert.deepEqual(steps[5], ['poll'])
  })

  test('reads everything again after a reconnect, without a doubt about what it knows', async () => {
    tables.add(30_000)
    await poll(0)
    tables.add(7)
    reader.reconnected()
    assert.deepEqual(await poll(500), ['poll', 'range 0-20000'])
    assert.equal(reader.complete, true)
    assert.deepEqual(waiting(), [7, 30_000])
  })

  test('begins anew when the highest vid fell: the database was restored', async () => {
    for (const vid of [40_000, 50_000]) tables.add(vid)
    await poll(0)
    tables.rows = []
    tables.add(300)
    await poll(500)
    assert.deepEqual([reader.complete, waiting(), reader.mirror.mark], [true, [300], 300])
  })

  test('begins anew when another server or database answers, though its highest vid is higher', async () => {
    tables.add(100)
    await poll(0)
    tables.rows = []
    tables.server = 'two'
    for (const vid of [60, 60_000]) tables.add(vid)
    await poll(500)
    assert.deepEqual([reader.complete, waiting()], [true, [60, 60_000]])
  })

  test('is not complete when the first reading fails half-way, and is after the next', async () => {
    for (const vid of [10, 50_000]) tables.add(vid)
    const { connection } = tables
    let left = 3
    const failing = {
      rows: (statement: string, values: number[]) =>
        (left -= 1) < 0 ? Promise.reject(new Error('gone')) : connection.rows(statement, values),
    } as unknown as DatabaseConnection
    await assert.rejects(reader.poll(failing, 'skynet:lock', 0), /gone/)
    assert.equal(reader.complete, false)
    await poll(500)
    assert.deepEqual([reader.complete, waiting()], [true, [10, 50_000]])
  })
})
