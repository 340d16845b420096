import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { OwnPauses, WHOLE_QUEUE, isWholeQueue, type OwnPause } from '../../src/daemon/pause.js'
import { heldByPauses, pauseOf } from '../../src/daemon/pauses.js'

const NOW = 1_795_000_000_000

let folder: string
let pauses: OwnPauses

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skynet-pauses-'))
  pauses = new OwnPauses(folder)
})
afterEach(() => rmSync(folder, { recursive: true }))

function pause(more: Partial<OwnPause> = {}): OwnPause {
  return { ...WHOLE_QUEUE, by: 'aegir', since: NOW, until: null, reason: '', ...more }
}

test('pauses are kept by what they are about, each ends alone, and the file goes with the last', () => {
  pauses.set(pause({ reason: 'first' }))
  pauses.set(pause({ type: 'migrate' }))
  pauses.set(pause({ object: 'blog.example.com' }))
  pauses.set(pause({ reason: 'second' }))
  assert.deepEqual(pauses.list(NOW).find(isWholeQueue)?.reason, 'second')
  assert.equal(pauses.list(NOW).length, 3)
  assert.deepEqual(pauses.clear({ type: 'verify', object: null }), [])
  assert.equal(pauses.clear({ type: 'migrate', object: null }).length, 1)
  assert.equal(pauses.clear('all').length, 2)
  assert.ok(!existsSync(join(folder, 'pause.json')))
})

test('a pause whose time has come is none, whether or not it could be forgotten', () => {
  pauses.set(pause({ until: NOW + 1_000 }))
  assert.equal(pauses.list(NOW + 999).length, 1)
  assert.deepEqual(pauses.list(NOW + 1_000), [])
  assert.deepEqual(pauses.expire(NOW + 999), [])
  assert.equal(pauses.expire(NOW + 1_000).length, 1)
  assert.ok(!existsSync(join(folder, 'pause.json')))
})

test('a file of an older version is a pause of the whole queue; a damaged one too', () => {
  const file = join(folder, 'pause.json')
  writeFileSync(file, JSON.stringify({ by: 'aegir', since: NOW, reason: 'old' }))
  assert.deepEqual(pauses.list(NOW), [pause({ reason: 'old' })])
  for (const text of ['', '{', '[]', '{"pauses":[{"by":1}]}']) {
    writeFileSync(file, text)
    const [found, ...others] = pauses.list(NOW)
    assert.deepEqual([found && isWholeQueue(found), others], [true, []], text)
    assert.match(found?.reason ?? '', /damaged/)
  }
  // A further pause does not bring the queue to life.
  pauses.set(pause({ type: 'verify' }))
  assert.ok(pauses.list(NOW).some(isWholeQueue))
  pauses.clear('all')
  assert.deepEqual(pauses.list(NOW), [])
})

test('a pause holds the tasks that it is about, and those behind them on their objects', () => {
  const backups = pause({ type: 'backup', object: 'blog.example.com' })
  assert.equal(pauseOf({ type: 'backup', object: 'blog.example.com' }, [backups]), backups)
  assert.equal(pauseOf({ type: 'backup', object: 'shop.example.com' }, [backups]), undefined)
  assert.equal(pauseOf({ type: 'verify', object: 'blog.example.com' }, [backups]), undefined)
  const task = (nid: number, type: string, rid: number) => ({
    ...{ nid, vid: nid, type, rid, changed: nid, arguments: {} },
    object: rid === 1 ? 'blog.example.com' : 'shop.example.com',
  })
  const waiting = [task(4, 'verify', 1), task(1, 'verify', 1), task(2, 'backup', 1), task(3, 'backup', 2)]
  assert.deepEqual([...heldByPauses(waiting, [backups])], [2, 4])
})
