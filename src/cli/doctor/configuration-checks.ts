import { lstatSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../../config/config-error.js'
import { loadConfig, type LoadedConfig } from '../../config/load.js'
import { formatSize } from '../../config/quantity.js'
import { fail, pass, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

export function configurationChecks(exam: Examination): CheckGroup {
  let loading: Promise<LoadedConfig> | undefined
  const load = () => {
    loading ??= loadConfig({ file: exam.options.config_file, environment: exam.environment })
    return loading
  }
  return {
    title: 'Configuration',
    checks: [
      { name: 'permissions', run: () => permissions(load) },
      { name: 'configuration', needs: ['permissions'], run: () => configuration(exam, load) },
      { name: 'state directory', needs: ['configuration'], run: () => stateDirectory(exam) },
      { name: 'state disk', needs: ['configuration'], run: () => stateDisk(exam) },
      { name: 'disk space', needs: ['configuration'], run: () => diskSpace(exam) },
    ],
  }
}

async function permissions(load: () => Promise<LoadedConfig>): Promise<Finding> {
  try {
    const { files } = await load()
    return pass(files.length > 0 ? `${files.join(', ')}: for this user alone` : 'no file; the environment says all')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // Of a file that we cannot look at we cannot say whether others can.
    const isOutOfSight = error.faults.some(({ message }) => message.startsWith('cannot be read'))
    if (error.code === 'CONFIG_UNSAFE' || isOutOfSight) return fault(error)
    if (error.code === 'CONFIG_MISSING') return pass('there is no file that others could read')
    return pass('nobody else can read the configuration')
  }
}

async function configuration(exam: Examination, load: () => Promise<LoadedConfig>): Promise<Finding> {
  try {
    const { config, file } = await load()
    exam.config = config
    return pass(`${file} is right`)
  } catch (error) {
    if (error instanceof ConfigError) return fault(error)
    throw error
  }
}

/** A fault's sentence often ends with the command that mends it. */
function fault({ message, remedy }: ConfigError): Finding {
  const [, what = message, mend] = /^(.*); mend: (.*)$/s.exec(message) ?? []
  return fail(what, mend ?? remedy ?? 'Correct this, then see: skynet config check')
}

function stateDirectory({ config, machine }: Examination): Finding {
  const { dir } = config.state
  const stats = statSync(dir, { throwIfNoEntry: false })
  if (!stats) {
    if (nearestFolder(dir) !== dirname(dir)) return fail(`${dir} cannot be made`, `mkdir -p ${dirname(dir)}`)
    return pass(`${dir} is made by the first start of the daemon`)
  }
  const uid = process.geteuid?.() ?? -1
  if (!stats.isDirectory()) return fail(`${dir} is not a folder`, 'Move it away; the daemon makes the folder.')
  if (stats.uid !== uid) return fail(`${dir} belongs to user id ${stats.uid}`, `sudo chown -R ${uid} ${dir}`)
  if ((stats.mode & 0o077) !== 0) return fail(`${dir} is open to other users`, `chmod 700 ${dir}`)
  if ((stats.mode & 0o700) !== 0o700) return fail(`${dir} is closed to its own user`, `chmod 700 ${dir}`)
  for (const name of ['runs', 'history']) {
    const inner = lstatSync(`${dir}/${name}`, { throwIfNoEntry: false })
    if (inner && !inner.isDirectory()) return fail(`${dir}/${name} is not a folder`, 'Put a folder in its place.')
  }
  machine.disk(dir)
  return pass(`${dir}: for this user alone`)
}

/** statfs(2); what a file server says of a rename or an unlink may come late, or twice. */
const NETWORK: Record<number, string> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xfe534d42: 'SMB',
  0xff534d42: 'CIFS',
  0x01021997: '9P',
  0x00c36400: 'Ceph',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS',
  0x7461636f: 'OCFS2',
  0x01161970: 'GFS2',
  0x0bd00bd0: 'Lustre',
  0x19830326: 'BeeGFS',
  0x786f4256: "VirtualBox's shared folder",
}
const FUSE = 0x65735546

function stateDisk({ config, machine }: Examination): Finding {
  const { dir } = config.state
  const type = machine.disk(nearestFolder(dir)).type >>> 0
  const name = NETWORK[type]
  const todo = 'Set [state] dir in local.skynet.conf to a folder on a local disk, then restart the daemon.'
  if (name !== undefined) return fail(`${dir} is on a network file system (${name})`, todo)
  if (type === FUSE) return warn(`${dir} is on a FUSE file system, which may be a network's`, todo)
  return pass('the state directory is on a local disk')
}

function diskSpace({ config, machine }: Examination): Finding {
  const { dir, min_free } = config.state
  const { free } = machine.disk(nearestFolder(dir))
  const what = `${readable(free)} free for the state directory; nothing is started below ${formatSize(min_free)}`
  const todo = `Make room on the disk of ${dir}, or lower [state] keep_bytes.`
  if (free < min_free) return fail(what, todo)
  return free < min_free * 2 ? warn(what, todo) : pass(what)
}

function readable(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(0)} MB`
}

function nearestFolder(path: string): string {
  let folder = path
  while (!statSync(folder, { throwIfNoEntry: false })?.isDirectory() && folder !== dirname(folder)) {
    folder = dirname(folder)
  }
  return folder
}
