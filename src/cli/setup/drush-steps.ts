import { existsSync, openSync, readSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { SkynetError } from '../../config/skynet-error.js'
import type { Facts } from './facts.js'
import { MODULE } from './module-step.js'
import type { SetupStep } from './step.js'

/** How every configuration file begins that the module has written. */
const MARK = '; Written by the Drupal module hosting_skynet'

/** The feature, enabled as every other module: that calls the module's own hooks, which put aside what must be. */
export function enableStep({ drush, mustAsUser }: Facts): SetupStep<null> {
  const onSite = (...args: string[]) => mustAsUser(drush, '@hostmaster', ...args)
  return {
    name: 'enable',
    describe: `enable the feature: drush @hostmaster pm-enable ${MODULE}`,
    undescribe: `disable and uninstall the feature: drush @hostmaster pm-disable and pm-uninstall ${MODULE}`,
    isDone: async () => {
      const list = await onSite('pm-list', '--type=module', '--status=enabled', '--format=json')
      return MODULE in (JSON.parse(list.slice(list.indexOf('{'))) as object)
    },
    before: () => Promise.resolve(null),
    do: async () => {
      // drush remembers where commands are; it does not know the module's yet.
      await onSite('cache-clear', 'drush')
      await onSite('pm-enable', MODULE, '--yes')
    },
    undo: async () => {
      await onSite('pm-disable', MODULE, '--yes')
      await onSite('pm-uninstall', MODULE, '--yes')
    },
  }
}

interface BeforeVerify {
  folder: boolean
  state: boolean
  wake: boolean
}

/** The configuration file, written by the very hook that will keep it up to date. */
export function verifyStep({ user, drush, asUser, mustAsUser, say }: Facts): SetupStep<BeforeVerify> {
  const folder = join(user.home, 'config/skynet')
  const file = join(folder, 'skynet.conf')
  const state = join(folder, 'state')
  const wake = join(user.home, 'config/skynet-wake')
  return {
    name: 'verify',
    describe: `verify the hostmaster site, which writes ${file}: drush @hostmaster hosting-task @hostmaster verify`,
    undescribe: `remove ${file}, Skynet's records in ${state}, and ${wake}`,
    isDone: () => Promise.resolve(isOurs(file)),
    before: () => Promise.resolve({ folder: existsSync(folder), state: existsSync(state), wake: existsSync(wake) }),
    do: async () => {
      await mustAsUser(drush, '@hostmaster', 'hosting-task', '@hostmaster', 'verify')
      if (isOurs(file)) return
      throw new SkynetError('FAILED', `The verify of the hostmaster site has not written ${file}.`, {
        remedy:
          "Look at that task's log in Aegir. Another skynet.drush.inc, such as the Python daemon's in ~/.drush/skynet, " +
          "hides the module's: remove it, run “drush cache-clear drush”, and run setup again.",
      })
    },
    undo: async (before) => {
      if (isOurs(file)) await mustAsUser('rm', '-f', '--', file)
      if (existsSync(`${file}.orig`) && !existsSync(file)) await mustAsUser('mv', '-T', '--', `${file}.orig`, file)
      if (!before.state) await mustAsUser('rm', '-rf', '--', state)
      if (!before.wake) await mustAsUser('rm', '-rf', '--', wake)
      if (!before.folder && (await asUser('rmdir', '--', folder)).code !== 0 && existsSync(folder)) {
        say(`  ${folder} is left: it holds files that setup has not made.`)
      }
    },
  }
}

function isOurs(file: string): boolean {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch {
    return false
  }
  try {
    const start = Buffer.alloc(MARK.length)
    readSync(fd, start, 0, start.length, 0)
    return start.toString() === MARK
  } finally {
    closeSync(fd)
  }
}
