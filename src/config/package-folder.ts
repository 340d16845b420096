import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of this package, found from the program that runs: it is the one that brings the Drupal module. */
export function packageFolder(): string {
  let folder = dirname(realpathSync(process.argv[1] ?? '.'))
  while (!existsSync(join(folder, 'drupal-module')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}
