import { spawn } from 'node:child_process'
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { asAccount } from './account.js'
import { configure } from './leader.js'
import type { Sandbox } from './sandbox.js'
import { makeSites } from './sites.js'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

/** Drupal's own table of modules, with the columns that matter, and the module's. */
const TABLES = [
  `CREATE TABLE \`system\` (filename varchar(255) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL DEFAULT '',
    type varchar(12) NOT NULL DEFAULT '', status int NOT NULL DEFAULT 0, schema_version smallint NOT NULL DEFAULT -1)`,
  `CREATE TABLE hosting_skynet_daemon (id varchar(64) NOT NULL PRIMARY KEY, host varchar(255) NOT NULL DEFAULT '',
    pid int unsigned NOT NULL DEFAULT 0, version varchar(32) NOT NULL DEFAULT '', state varchar(32) NOT NULL DEFAULT '',
    started int NOT NULL DEFAULT 0, heartbeat int NOT NULL DEFAULT 0, snapshot longtext)`,
]

/**
 * `skynet doctor`, once for each line on standard input, on a machine of which some parts are made up: what no test can
 * plant on a real one. One process for all, because there are many faults.
 */
const DOCTOR = `
  const dist = process.env.DOCTOR_DIST
  const { doctor } = await import(dist + '/cli/doctor.js')
  const { thisMachine } = await import(dist + '/cli/doctor/machine.js')
  const { ProcessTable } = await import(dist + '/runner/process-table.js')
  const { readFileSync } = await import('node:fs')
  // Other sandboxes may be at work on this machine, as the same user.
  class ProcessesOfSandbox extends ProcessTable {
    list() {
      return super.list().filter(({ pid }) => {
        try {
          return readFileSync('/proc/' + pid + '/environ', 'latin1').split('\\0').includes('HOME=' + process.env.HOME)
        } catch {
          return false
        }
      })
    }
  }
  const { version } = JSON.parse(readFileSync(dist + '/../package.json', 'utf8'))
  const { createInterface } = await import('node:readline')
  const write = process.stdout.write.bind(process.stdout)
  for await (const line of createInterface({ input: process.stdin })) {
    const { options, load, free, type, unit } = JSON.parse(line)
    let stdout = ''
    process.stdout.write = (text) => ((stdout += text), true)
    const processes = new ProcessesOfSandbox()
    const machine = { ...thisMachine(), load: () => load, disk: () => ({ free, type }), unitOf: () => unit, processes }
    const code = await doctor(options, { environment: process.env, version }, machine)
    write(JSON.stringify({ stdout, code }) + '\\n')
  }
`

/** The parts of the machine that are made up. */
export interface MadeUp {
  load: number
  /** Bytes, of the state directory's disk. */
  free: number
  /** As statfs(2) numbers file systems. */
  type: number
  /** The systemd service that holds the daemon. */
  unit?: string
}

export interface DoctorResult {
  stdout: string
  /** Its exit status. */
  code: number
}

const EXT4 = 0xef53

/** A sandbox in which an administrator finds nothing to mend: module, crontab, sudo, Supervisor. */
export class HealthyMachine {
  readonly sandbox: Sandbox
  /** nid and name of a site, its folder, and that of the module. */
  readonly site: { nid: number; uri: string; folder: string }
  readonly module: string
  #doctor: ((request: object) => Promise<DoctorResult>) | undefined

  private constructor(sandbox: Sandbox, site: HealthyMachine['site'], module: string) {
    this.sandbox = sandbox
    this.site = site
    this.module = module
  }

  static async make(sandbox: Sandbox): Promise<HealthyMachine> {
    const { folder, hostmaster, install } = sandbox
    const [nid = 0] = await makeSites(sandbox, 1)
    const [row] = await hostmaster.query<{ uri: string }>('SELECT title AS uri FROM node WHERE nid = ?', [nid])
    const uri = row?.uri ?? ''
    const root = folder.makeFolder('platform')
    await hostmaster.execute('UPDATE hosting_platform SET publish_path = ?', [root])
    for (const table of TABLES) await hostmaster.execute(table)
    const module = join(root, 'sites/aegir.example.com/modules/hosting_skynet')
    for (const name of ['sites', 'sites/aegir.example.com', 'sites/aegir.example.com/modules', `sites/${uri}`]) {
      folder.makeFolder(join('platform', name))
    }
    cpSync(join(CHECKOUT, 'drupal-module/hosting_skynet'), module, { recursive: true })
    if (!existsSync(join(install.root, 'drupal-module'))) {
      cpSync(join(CHECKOUT, 'drupal-module'), join(install.root, 'drupal-module'), { recursive: true })
    }
    const healthy = new HealthyMachine(sandbox, { nid, uri, folder: join(root, 'sites', uri) }, module)
    await healthy.#prepare()
    return healthy
  }

  async #prepare(): Promise<void> {
    const { folder, hostmaster } = this.sandbox
    await hostmaster.execute(
      `INSERT INTO \`system\` (filename, name, type, status, schema_version)
        VALUES ('sites/aegir.example.com/modules/hosting_skynet/hosting_skynet.module', 'hosting_skynet', 'module', 1, 7100)`,
    )
    await hostmaster.setVariable('hosting_skynet_enabled', 'i:1;')
    await hostmaster.setVariable('hosting_queue_tasks_enabled', 'b:0;')
    configure(this.sandbox)
    this.answer('crontab', '* * * * * drush @hostmaster hosting-dispatch\n')
    this.answer('sudo', '    (root) NOPASSWD: /usr/sbin/apache2ctl\n')
    this.answer('systemctl', 'LoadState=loaded\nKillMode=process\n')
    for (const program of ['crontab', 'sudo', 'systemctl']) {
      folder.writeFile(`bin/${program}`, `#!/bin/sh\nexec /bin/cat "$(/usr/bin/dirname "$0")/${program}.says"\n`, 0o755)
    }
    folder.makeFolder('logrotate')
    folder.makeFolder('supervisor')
    this.writeProgram((text) => text)
  }

  /** What a program of the system prints; null: it fails. */
  answer(program: 'crontab' | 'sudo' | 'systemctl', text: string | null): void {
    if (text === null) rmSync(join(this.sandbox.folder.path, `bin/${program}.says`), { force: true })
    else this.sandbox.folder.writeFile(`bin/${program}.says`, text)
  }

  /** Writes Supervisor's program: the shipped one, changed. */
  writeProgram(change: (text: string) => string): void {
    const shipped = readFileSync(join(CHECKOUT, 'supervisor/skynet.supervisor.conf'), 'utf8')
    const ours = shipped.replace(/^user=.*$/m, `user=${this.sandbox.folder.account.name}`)
    this.sandbox.folder.writeFile('supervisor/skynet.conf', change(ours))
  }

  /** Runs the doctor to its end. */
  async doctor(madeUp: Partial<MadeUp> = {}, options: Record<string, unknown> = {}): Promise<DoctorResult> {
    const { folder } = this.sandbox
    const folders = { supervisorDir: join(folder.path, 'supervisor'), logrotateDir: join(folder.path, 'logrotate') }
    this.#doctor ??= this.#startDoctor()
    const request = { load: 0.1, free: 1e12, type: EXT4, ...madeUp, options: { ...folders, ...options } }
    return this.#doctor(request)
  }

  #startDoctor(): (request: object) => Promise<DoctorResult> {
    const { folder, install } = this.sandbox
    const child = spawn(install.node, ['--input-type=module', '-e', DOCTOR], {
      cwd: this.sandbox.home,
      env: { ...this.sandbox.environment, DOCTOR_DIST: join(install.root, 'dist'), COLUMNS: '80' },
      stdio: ['pipe', 'pipe', 'inherit'],
      ...asAccount(folder.account),
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return async (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const line: IteratorResult<string, unknown> = await lines.next()
      if (line.done) throw new Error('the doctor has ended')
      return JSON.parse(line.value) as DoctorResult
    }
  }
}
