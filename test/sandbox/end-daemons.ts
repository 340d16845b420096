import assert from 'node:assert/strict'
import { faultsOf } from './leader.js'
import type { Sandbox } from './sandbox.js'

/** Kills the daemons of a sandbox, for the end of a test, and fails when one of them met what no test expects. */
export async function endDaemons(sandbox: Sandbox): Promise<void> {
  const daemons = sandbox.daemons.splice(0)
  for (const daemon of daemons) daemon.kill()
  await Promise.all(daemons.map((daemon) => daemon.exited))
  assert.deepEqual(daemons.flatMap(faultsOf), [])
}
