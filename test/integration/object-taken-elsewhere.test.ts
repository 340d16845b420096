import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { PATIENCE_MS, configure, linesOf, startLeader, stopDaemon } from '../sandbox/leader.js'
import { Sandbox } from '../sandbox/sandbox.js'
import { makeSites } from '../sandbox/sites.js'

let sandbox: Sandbox

before(async () => {
  sandbox = await Sandbox.create()
})
after(() => sandbox.close())

test('while somebody else’s drush runs a task that ours came too late for, nothing else starts on its object', async () => {
  const [object = 0] = await makeSites(sandbox, 1)
  configure(sandbox, { queue: { concurrent_tasks: 4 } })
  const queue = async (ms: string) => {
    const task = { object, type: 'verify', arguments: { sandbox_ms: ms } }
    return (await sandbox.hostmaster.queueTask(task)).nid
  }
  const [taken, next] = [await queue('3000'), await queue('0')]
  // An operator's drush, in a session of its own, is a moment quicker than ours.
  const { drush } = sandbox.install
  const script = `#!/bin/sh
if [ "$3" = ${taken} ] && mkdir "$HOME/once"; then setsid ${drush} "$@" & sleep 0.7; fi
exec ${drush} "$@"
`
  const path = sandbox.folder.writeFile('home/quick-drush', script, 0o755)
  chmodSync(path, 0o755)
  sandbox.linkDrush(path)

  const daemon = await startLeader(sandbox)
  await sandbox.waitForStatus(next, 1, PATIENCE_MS)
  const [ended] = sandbox.journalFile.of('end', taken)
  const [started] = sandbox.journalFile.of('start', next)
  assert.ok(ended && started)
  assert.ok(started.time >= ended.time, 'the next task on the object began while the other drush was at work on it')
  assert.deepEqual(
    linesOf(daemon, 'task ended', taken).map(({ outcome }) => outcome),
    ['taken elsewhere'],
  )
  await stopDaemon(daemon)
})
