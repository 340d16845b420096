import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asAccount } from './account.js'
import { SandboxFolder } from './sandbox-folder.js'

/** Where the sandbox's user finds Skynet, the stand-in drush, and Node. */
export interface Install {
  readonly root: string
  readonly main: string
  /** `skynet queued` with a clock that runs faster. */
  readonly fastDaemon: string
  readonly drush: string
  readonly node: string
}

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

let shared: Install | undefined

/** The built checkout; or, where the sandbox's user cannot read that, a copy that lasts as long as this process. */
export function sharedInstall(): Install {
  if (!shared) {
    const folder = SandboxFolder.create()
    if (readable(folder)) {
      void folder.close()
      shared = layout(CHECKOUT, process.execPath)
    } else {
      shared = copyInstall(folder)
    }
  }
  return shared
}

/** A copy of its own in `folder`, which a test may damage. */
export function copyInstall(folder: SandboxFolder): Install {
  const root = join(folder.path, 'install')
  mkdirSync(root)
  const sandbox = ['drush', 'stand-in', 'fast-daemon.mjs', 'accelerated-daemon.mjs'].map(
    (name) => `test/sandbox/${name}`,
  )
  const copied = ['dist', 'package.json', 'drupal-module', 'supervisor', ...sandbox, ...productionPackages()]
  for (const name of copied) {
    if (existsSync(join(CHECKOUT, name))) copy(name, root)
  }
  const install = layout(root, reachableNode(folder, root))
  // Ours and the checkout's files may have been made under a umask that keeps others out.
  execFileSync('chmod', ['-R', 'a+rX', root])
  return install
}

function layout(root: string, node: string): Install {
  const inSandbox = (name: string) => join(root, 'test/sandbox', name)
  return {
    root,
    main: join(root, 'dist/main.js'),
    fastDaemon: inSandbox('fast-daemon.mjs'),
    drush: inSandbox('drush'),
    node,
  }
}

function copy(name: string, root: string): void {
  const to = join(root, name)
  mkdirSync(dirname(to), { recursive: true })
  // Two files in five are types and maps, which nothing reads at run time.
  const filter = (path: string) => !/\.(map|[cm]?ts)$/.test(path)
  cpSync(join(CHECKOUT, name), to, { recursive: true, dereference: true, filter })
}

/** The folders under node_modules that `npm ci --omit=dev` would make. */
function productionPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(CHECKOUT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>
  }
  return Object.entries(lock.packages)
    .filter(([name, entry]) => name.startsWith('node_modules/') && !entry.dev && !entry.devOptional)
    .map(([name]) => name)
}

function readable(folder: SandboxFolder): boolean {
  const files = [
    'package.json',
    'package-lock.json',
    'test/sandbox/drush',
    'test/sandbox/fast-daemon.mjs',
    'test/sandbox/stand-in/drush.php',
    'node_modules/mysql2/package.json',
  ]
  const main = existsSync(join(CHECKOUT, 'dist/main.js')) ? ['dist/main.js'] : []
  return (
    [...files, ...main].every((name) => may(folder, '-r', join(CHECKOUT, name))) && may(folder, '-x', process.execPath)
  )
}

/** The Node that runs the tests may live in a folder of root's. */
function reachableNode(folder: SandboxFolder, root: string): string {
  if (may(folder, '-x', process.execPath)) return process.execPath
  const node = join(root, 'node')
  copyFileSync(process.execPath, node)
  chmodSync(node, 0o755)
  return node
}

function may(folder: SandboxFolder, what: '-r' | '-x', path: string): boolean {
  return spawnSync('test', [what, path], asAccount(folder.account)).status === 0
}
