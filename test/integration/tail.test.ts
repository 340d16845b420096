import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PATIENCE_MS, configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Proxy } from '../sandbox/proxy.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'
import { seenBy } from '../sandbox/tail-lines.js'

let sandbox: Sandbox
let sites: number[]

before(async () => {
  sandbox = await Sandbox.create()
  sites = await makeSites(sandbox, 3, { servers: 3 })
  configure(sandbox, { queue: { concurrent_tasks: 3 } })
})
after(() => sandbox.close())

async function queue(site: number | undefined, args: Record<string, string>): Promise<number> {
  return (await sandbox.hostmaster.queueTask({ object: site ?? 0, type: 'verify', arguments: args })).nid
}

test('one task is followed from the queue to its end, through a lost database, and then the verb leaves', async (t) => {
  const { host, port } = sandbox.database
  const proxy = await Proxy.listen({ host, port })
  t.after(() => proxy.close())
  const file = sandbox.writeConfig(
    { database: { ...sandbox.databaseSection(), port: proxy.port } },
    { file: 'tail.conf' },
  )
  const nid = await queue(sites[0], {
    sandbox_log: '40',
    sandbox_log_every_ms: '50',
    sandbox_log_stamp: '1',
    sandbox_until: 'end',
    sandbox_end: 'warning',
  })
  const tail = sandbox.followSkynet(['tail', String(nid), '-f', '--json', '-c', file])
  t.after(() => tail.kill())
  await tail.waitUntil(({ stderr }) => stderr.endsWith('\nIt could start now.\n'), 'tail to say why the task waits')
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  await tail.waitUntil(({ said }) => said.length > 4, 'the first lines')
  proxy.cut()
  await tail.waitUntil(({ stderr }) => stderr.includes('Waiting for it.\nThe database is back.\n'), 'the database back')
  sandbox.release('end')
  assert.deepEqual(await tail.exited, { code: 0, signal: null }, tail.stderr)
  const seen = seenBy(tail)
  const written = await sandbox.hostmaster.log(nid)
  const texts = seen.filter(({ source }) => source === 'log').map(({ text }) => text)
  assert.deepEqual(
    texts,
    written.map(({ message }) => message),
  )
  assert.equal(seen.filter(({ source }) => source === 'output').length, 40)
  assert.match(seen.at(-1)?.text ?? '', /^ended with warning after \d+ s$/)
  assert.equal(tail.stderr.split('Waiting for it.').length, 2, 'said once')
  await stopDaemon(daemon)
})

test('a tail that nobody reads any more ends, and one that is not to follow shows the end and leaves', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  const args = { sandbox_log: '400', sandbox_log_every_ms: '20', sandbox_log_stamp: '1' }
  const nid = await queue(sites[0], args)
  const tail = sandbox.followSkynet(['tail', '-f'])
  await tail.waitUntil(({ said }) => said.length > 2, 'the first lines')
  tail.stopListening()
  assert.deepEqual(await tail.exited, { code: 0, signal: null })

  const end = await sandbox.skynet(['tail', '-n', '2'], { TZ: 'UTC' })
  assert.equal(end.code, 0, end.stderr)
  const lines = end.stdout.trimEnd().split('\n')
  assert.equal(lines.length, 4, end.stdout)
  const head = String.raw`${nid} verify s0-\d+\.example\.com  `
  assert.match(lines[0] ?? '', new RegExp(String.raw`^\d\d:\d\d:\d\d  ${head}notice    Line \d+ of 400 at `))
  assert.match(lines[3] ?? '', new RegExp(`^ {8}  ${head}output    Line \\d+ of 400 at `))
  const [run] = sandbox.journal().filter((entry) => entry.event === 'start' && entry.nid === nid)
  assert.ok(run)
  process.kill(-run.pgid, 'SIGKILL')
  await sandbox.waitForStatus(nid, 2)
  const killed = await sandbox.skynet(['tail', String(nid), '-f', '-n', '1'])
  assert.match(killed.stdout, /error {5}Skynet: drush was ended by signal KILL[^]*skynet {4}ended with error\n$/)
  const none = await sandbox.skynet(['tail'])
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'No task is being run.\n'])

  const all = sandbox.followSkynet(['tail', '-f', '--json'])
  t.after(() => all.kill())
  await all.waitUntil(({ stderr }) => stderr.includes('No task is being run.'), 'tail to be ready')
  const { nid: refused } = await sandbox.hostmaster.transaction(async (connection) => {
    const task = await sandbox.hostmaster.queueTaskWithin(connection, { object: sites[1] ?? 0, type: 'verify' })
    // Before the daemon can see it.
    sandbox.configureDrush({ refuse_nids: [task.nid] })
    return task
  })
  await all.waitUntil((verb) => seenBy(verb).some(({ source }) => source === 'skynet'), 'the end of the attempt')
  assert.deepEqual(
    seenBy(all).map(({ nid: its, source, text }) => [its, source, text.replace(/ +/g, ' ')]),
    [
      [refused, 'output', 'This task cannot be started [error]'],
      [refused, 'skynet', 'drush did not get to the task: it is queued still'],
    ],
  )
  await stopDaemon(daemon)
})

test('on a terminal rows have the colour of their type, and none with NO_COLOR', async () => {
  const nid = await queue(sites[0], { sandbox_log: '1', sandbox_end: 'logged_error' })
  const daemon = await startLeader(sandbox)
  await sandbox.waitForStatus(nid, 2, PATIENCE_MS)
  await stopDaemon(daemon)
  const { node, main } = sandbox.install
  const screenOf = async (command: string) => {
    const terminal = sandbox.terminal(command, { TERM: 'xterm' })
    assert.deepEqual(await terminal.exited, { code: 0, signal: null }, terminal.screen)
    return terminal.screen.replaceAll('\u001b', '␛')
  }
  const coloured = await screenOf(`${node} ${main} tail ${nid}`)
  assert.match(coloured, /␛\[31merror {3}␛\[39m {2}␛\[31m/)
  assert.match(coloured, /␛\[36mqueue {3}␛\[39m/)
  assert.doesNotMatch(await screenOf(`NO_COLOR=1 ${node} ${main} tail ${nid}`), /␛/)
})
