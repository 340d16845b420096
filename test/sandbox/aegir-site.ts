import { chmodSync, cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sandbox } from './sandbox.js'

const MODULE = fileURLToPath(new URL('../../drupal-module/hosting_skynet', import.meta.url))

/** The hostmaster site's own files, and Drupal's table of modules: what Skynet's module stands in. */
export class AegirSite {
  readonly root: string
  readonly uri = 'aegir.example.com'
  readonly nid: number
  readonly #sandbox: Sandbox

  private constructor(sandbox: Sandbox, root: string, nid: number) {
    this.#sandbox = sandbox
    this.root = root
    this.nid = nid
  }

  /** The stand-in drush knows the site from now on; the module is not there yet. */
  static async create(sandbox: Sandbox): Promise<AegirSite> {
    const root = sandbox.folder.makeFolder('home/hostmaster')
    sandbox.folder.makeFolder('home/hostmaster/sites')
    const { site } = await sandbox.hostmaster.hostmasterSite('aegir.example.com')
    const created = new AegirSite(sandbox, root, site)
    sandbox.folder.makeFolder(join('home/hostmaster/sites', created.uri))
    sandbox.folder.makeFolder(join('home/hostmaster/sites', created.uri, 'modules'))
    sandbox.configureDrush({
      site: { root, uri: created.uri, aegir_root: sandbox.home, web_group: sandbox.folder.account.gid },
    })
    await sandbox.hostmaster.execute(
      'CREATE TABLE system (name VARCHAR(255) PRIMARY KEY, status INT NOT NULL DEFAULT 0) ENGINE=InnoDB',
    )
    await sandbox.hostmaster.execute("INSERT INTO system VALUES ('hosting', 1), ('hosting_task', 1)")
    return created
  }

  get modules(): string {
    return join(this.root, 'sites', this.uri, 'modules')
  }

  /** Puts the module into the site and enables it, as `skynet setup` would. */
  async installModule(): Promise<void> {
    const target = join(this.modules, 'hosting_skynet')
    cpSync(MODULE, target, { recursive: true })
    for (const entry of readdirSync(target, { recursive: true, encoding: 'utf8' }))
      chmodSync(join(target, entry), 0o755)
    const result = await this.#sandbox.drush(['@hostmaster', 'pm-enable', 'hosting_skynet', '--yes'])
    if (result.code !== 0) throw new Error(`pm-enable failed: ${result.stderr}`)
  }
}
