import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageFolder } from '../../config/package-folder.js'
import { hasDaemonTable, readHostmasterRoot, readModules, type ModuleRow } from '../../hostmaster/doctor-queries.js'
import { MODULE, isSameTree } from '../setup/module-step.js'
import { fail, pass, skip, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

/** The module as this package brings it. */
const shippedModule = () => join(packageFolder(), 'drupal-module', MODULE)

const ENABLE = `Enable the feature Skynet in Aegir (Hosting → Features), or: drush @hostmaster pm-enable ${MODULE}`

export function moduleChecks(exam: Examination): CheckGroup {
  return {
    title: 'Drupal module',
    checks: [
      { name: 'module', needs: ['database'], run: () => module(exam) },
      { name: 'module version', needs: ['database'], run: () => version(exam) },
    ],
  }
}

async function module({ connection }: Examination): Promise<Finding> {
  const rows = await readModules(connection, [MODULE])
  if (!rows)
    return warn('unknown: the table system cannot be read', `Look yourself: drush @hostmaster pm-info ${MODULE}`)
  const row = rows.find(({ name }) => name === MODULE)
  if (!row) return warn('not installed: Skynet runs without its page in Aegir', 'Install it: sudo skynet setup')
  if (row.enabled) {
    if (await hasDaemonTable(connection)) return pass('enabled')
    return fail('enabled, but its table is missing', 'Make it: drush @hostmaster updatedb')
  }
  // -1 is what Drupal notes of files that it has seen and never installed.
  if (row.schema < 0) return warn('there, but never enabled', ENABLE)
  return fail('disabled: the daemon starts nothing and leaves the queue to others', ENABLE)
}

async function version({ connection, version: ours }: Examination): Promise<Finding> {
  const row = (await readModules(connection, [MODULE]))?.find(({ name }) => name === MODULE)
  if (!row?.enabled) return skip('the module is not enabled')
  const wanted = shippedSchema()
  if (row.schema < wanted) {
    return fail(
      `its tables are of version ${row.schema}, not ${wanted}`,
      'Bring them up to date: drush @hostmaster updatedb',
    )
  }
  return sameFiles(row, await readHostmasterRoot(connection), ours)
}

function sameFiles({ filename }: ModuleRow, root: string | undefined, version: string): Finding {
  const folder = join(root ?? '/', dirname(filename))
  if (!existsSync(shippedModule())) return skip('this package came without the module')
  if (root === undefined || !existsSync(folder)) return skip(`its files are not where Drupal says: ${folder}`)
  if (isSameTree(shippedModule(), folder)) return pass(`its files are those of Skynet ${version}`)
  return warn(
    `the files in ${folder} are not those of Skynet ${version}`,
    'Bring both to one version: sudo skynet setup',
  )
}

/** The last update that the shipped module knows. */
function shippedSchema(): number {
  try {
    const text = readFileSync(join(shippedModule(), `${MODULE}.install`), 'utf8')
    return Math.max(
      0,
      ...[...text.matchAll(/function hosting_skynet_update_(\d+)\(/g)].map(([, number]) => Number(number)),
    )
  } catch {
    return 0
  }
}
