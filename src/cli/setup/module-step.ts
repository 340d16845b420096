import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Facts } from './facts.js'
import type { SetupStep } from './step.js'

/** The name of the Drupal module. */
export const MODULE = 'hosting_skynet'

interface Before {
  madeFolder: boolean
  /** An older module of that name was there; it is kept in an archive. */
  replaced: boolean
}

/**
 * The module in the hostmaster site's own folder, which moves along when Aegir is upgraded. All of it is done as
 * Aegir's user: the folders are his, and root must not follow what he may have linked there.
 */
export function moduleStep(facts: Facts): SetupStep<Before> {
  const { site, user, packageFolder, mustAsUser } = facts
  const source = join(packageFolder, 'drupal-module', MODULE)
  const folder = join(site.root, 'sites', site.uri, 'modules')
  const target = join(folder, MODULE)
  const archive = join(user.home, `config/${MODULE}.before-skynet.tar`)
  return {
    name: 'module',
    describe: `copy the Drupal module to ${target}`,
    undescribe: `remove the Drupal module from ${target}`,
    isDone: () => Promise.resolve(isSameTree(source, target)),
    before: () => Promise.resolve({ madeFolder: !existsSync(folder), replaced: existsSync(target) }),
    do: async ({ replaced }) => {
      await mustAsUser('mkdir', '-p', '--', folder)
      if (replaced && !existsSync(archive)) await mustAsUser('tar', '-C', folder, '-cf', archive, '--', MODULE)
      const beside = join(folder, `.${MODULE}.new`)
      await mustAsUser('rm', '-rf', '--', beside)
      await mustAsUser('cp', '-R', '--no-preserve=all', '--', source, beside)
      await mustAsUser('rm', '-rf', '--', target)
      await mustAsUser('mv', '-T', '--', beside, target)
    },
    undo: async ({ madeFolder, replaced }) => {
      await mustAsUser('rm', '-rf', '--', target)
      if (replaced && existsSync(archive)) {
        await mustAsUser('tar', '-C', folder, '-xpf', archive)
        await mustAsUser('rm', '-f', '--', archive)
      }
      // Somebody may have put another module there since.
      if (madeFolder) await facts.asUser('rmdir', '--', folder)
    },
  }
}

/** Whether two folders hold the same files with the same content. */
export function isSameTree(source: string, target: string): boolean {
  const [ours, theirs] = [filesOf(source), filesOf(target)]
  return (
    ours.length === theirs.length &&
    ours.every(
      (name, index) =>
        theirs[index] === name && readFileSync(join(source, name)).equals(readFileSync(join(target, name))),
    )
  )
}

/** Names of all files below a folder; empty where there is none. */
function filesOf(folder: string): string[] {
  if (!existsSync(folder) || !lstatSync(folder).isDirectory()) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}
