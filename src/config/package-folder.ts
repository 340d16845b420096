import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of this package: the one that brings the Drupal module. */
export function packageFolder(): string {
  // What is built is CommonJS; the tests load the source as modules, out of the same folder that they are in.
  let folder = typeof __dirname === 'string' ? __dirname : process.cwd()
  while (!existsSync(join(folder, 'drupal-module')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}
