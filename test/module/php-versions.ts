/**
 * Runs the Drupal module on older and newer versions of PHP than the machine has: as WebAssembly, from the npm registry.
 *
 *     node --import tsx test/module/php-versions.ts [FOLDER]
 *
 * The builds are installed into FOLDER (a temporary one without it), as they take some 300 MB: too much for a development
 * dependency of everybody. Each version runs portable.php in a process of its own; a notice or a deprecation is a failure.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What both generations of the library can do. */
interface WasmPhp {
  mkdir(path: string): void
  writeFile(path: string, content: Uint8Array): void
  run(request: { code: string }): Promise<{ text: string; errors: string }>
}

/** One generation of builds: its packages, and how a version is loaded from them. */
interface Builds {
  packages: string[]
  versions: string[]
  load(require: NodeJS.Require, version: string): Promise<WasmPhp>
}

const generations: Record<string, Builds> = {
  // The last one that has PHP 5.6 and 7.0 to 7.3.
  old: {
    packages: ['@php-wasm/node@0.1.56'],
    versions: ['5.6', '7.0', '7.1', '7.2', '7.3', '7.4', '8.0', '8.1', '8.2'],
    load: (require, version) =>
      (require('@php-wasm/node') as { NodePHP: { load(version: string): Promise<WasmPhp> } }).NodePHP.load(version),
  },
  // One package for each version. PHP 5.2 is older than what Drupal 7 runs on: what it takes, 5.3 takes.
  new: {
    packages: ['universal', 'node-5-2', 'node-8-3', 'node-8-4', 'node-8-5'].map((name) => `@php-wasm/${name}@3.1.56`),
    versions: ['5.2', '8.3', '8.4', '8.5'],
    load: async (require, version) => {
      const universal = require('@php-wasm/universal') as {
        PHP: new (runtime: number) => WasmPhp
        loadPHPRuntime(loader: unknown, options: object): Promise<number>
      }
      const build = require(`@php-wasm/node-${version.replace('.', '-')}`) as { getPHPLoaderModule(): Promise<unknown> }
      return new universal.PHP(await universal.loadPHPRuntime(await build.getPHPLoaderModule(), {}))
    },
  },
}

const repository = fileURLToPath(new URL('../..', import.meta.url))

async function runOne(folder: string, generation: string, version: string): Promise<boolean> {
  const builds = generations[generation]
  if (!builds) throw new Error(`No generation of builds is called ${generation}`)
  const php = await builds.load(createRequire(join(folder, generation, 'package.json')), version)
  const copy = (from: string, to: string): void => {
    php.mkdir(to)
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (entry.isDirectory()) copy(join(from, entry.name), `${to}/${entry.name}`)
      else php.writeFile(`${to}/${entry.name}`, readFileSync(join(from, entry.name)))
    }
  }
  for (const name of ['/module', '/module/test']) php.mkdir(name)
  copy(join(repository, 'drupal-module'), '/module/drupal-module')
  copy(join(repository, 'test/module'), '/module/test/module')
  const result = await php.run({ code: "<?php require '/module/test/module/portable.php';" })
  process.stdout.write(`${result.text.trim()}\n${result.errors}`)
  return result.text.startsWith(`ok ${version}.`)
}

function runAll(folder: string): boolean {
  let good = true
  for (const [generation, builds] of Object.entries(generations)) {
    const home = join(folder, generation)
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), '{"private":true}')
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...builds.packages]
    if (spawnSync('npm', install, { cwd: home, stdio: 'inherit' }).status !== 0) return false
    for (const version of builds.versions) {
      const args = [...process.execArgv, fileURLToPath(import.meta.url), folder, generation, version]
      const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 })
      process.stdout.write(
        `PHP ${version}: ${child.status === 0 ? child.stdout : `FAILED\n${child.stdout}${child.stderr}`}`,
      )
      good = good && child.status === 0
    }
  }
  return good
}

const [folder, generation, version] = process.argv.slice(2)
if (folder && generation && version) {
  process.exit((await runOne(folder, generation, version)) ? 0 : 1)
} else {
  const home = folder ?? mkdtempSync(join(tmpdir(), 'skynet-php-'))
  try {
    process.exitCode = runAll(home) ? 0 : 1
  } finally {
    if (!folder) rmSync(home, { recursive: true, force: true })
  }
}
