import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Sandbox } from './sandbox.js'

export interface Notified {
  registered: boolean
  told: boolean
  /** How long the module's call took, in milliseconds. */
  ms: number
  /** When the call was over at the latest, in milliseconds since 1970. */
  at: number
}

/** A copy of the module and its tests that the sandbox's user can read. @returns its folder. */
export function copyModuleTests(sandbox: Sandbox, checkout: string): string {
  const folder = sandbox.folder.makeFolder('module')
  for (const part of ['drupal-module', 'test/module'])
    cpSync(join(checkout, part), join(folder, part), { recursive: true })
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) chmodSync(join(folder, entry), 0o755)
  return folder
}

/** Saves a queued task through the module's own hooks. */
export async function notify(
  checkout: string,
  socket: string,
  account: { uid?: number; gid?: number },
): Promise<Notified> {
  const child = spawn('php', ['-d', 'display_errors=stderr', 'test/module/notify.php', socket], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...account,
  })
  let output = ''
  let at = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    at ||= Date.now()
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  const result = JSON.parse(output) as Omit<Notified, 'at'>
  // What it prints comes after the call: so the time of the call is not later than that.
  return { ...result, at: at - Math.ceil(result.ms) }
}
