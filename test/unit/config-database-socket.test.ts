import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findDatabaseSocket } from '../../src/config/find-database-socket.js'

const find = (php: string | Error, ...existing: string[]) =>
  findDatabaseSocket({
    runPhp: () => (typeof php === 'string' ? Promise.resolve(php) : Promise.reject(php)),
    isSocket: (path) => Promise.resolve(existing.includes(path)),
  })

const NO_PHP = new Error('spawn php ENOENT')

test("PHP's own answer wins, that of PDO first, even while the server is down", async () => {
  assert.equal(await find('["\\/run\\/pdo.sock","\\/run\\/mysqli.sock"]', '/tmp/mysql.sock'), '/run/pdo.sock')
  assert.equal(await find('["","\\/run\\/mysqli.sock"]'), '/run/mysqli.sock')
  assert.equal(await find('[false,"\\/run\\/mysqli.sock"]'), '/run/mysqli.sock')
  assert.equal(await find('PHP Warning:  Module "x" is already loaded\n["\\/run\\/a.sock",""]'), '/run/a.sock')
})

test('without an answer of PHP the first well-known socket that is there is taken, else none', async () => {
  for (const php of [NO_PHP, '', 'no json', '[false,false]', '{"a":1}', 'null', '["relative.sock"]']) {
    assert.equal(await find(php, '/tmp/mysql.sock', '/run/mysqld/mysqld.sock'), '/run/mysqld/mysqld.sock')
    assert.equal(await find(php, '/tmp/mysql.sock'), '/tmp/mysql.sock')
    assert.equal(await find(php), null)
  }
})

test('on this machine it answers with a path or nothing, and hands PHP no variable of ours', async () => {
  const found = await findDatabaseSocket()
  assert.ok(found === null || found.startsWith('/'), String(found))
})
