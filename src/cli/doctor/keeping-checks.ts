import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { SkynetError } from '../../config/skynet-error.js'
import { askDaemon } from '../../daemon/control-client.js'
import type { Status } from '../../daemon/status.js'
import { readRestartCommands } from '../../hostmaster/doctor-queries.js'
import { UNIT } from '../setup/daemon-steps.js'
import { programsIn, type Program } from '../setup/supervisor-program.js'
import { fail, pass, skip, warn, type Check, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

/** The daemon itself: whether it is there. */
export function daemonChecks(exam: Examination): CheckGroup {
  return { title: 'Daemon', checks: [{ name: 'daemon', needs: ['configuration'], run: () => daemon(exam) }] }
}

/** What keeps the daemon and its runs alive, and its log small. */
export function keepingChecks(exam: Examination): CheckGroup {
  const checks: Check[] = [
    { name: 'supervision', needs: ['configuration'], run: () => supervision(exam) },
    { name: 'stop settings', needs: ['configuration'], run: () => stopSettings(exam) },
    { name: 'kill mode', needs: ['configuration'], run: () => killMode(exam) },
    { name: 'sudo', needs: ['database'], run: () => sudo(exam) },
    { name: 'log rotation', needs: ['configuration'], run: () => logRotation(exam) },
  ]
  return { title: 'Machine', checks }
}

async function daemon(exam: Examination): Promise<Finding> {
  try {
    const socket = join(exam.config.state.dir, 'control.sock')
    exam.daemon = (await askDaemon(socket, { verb: 'status' })) as Status
  } catch (error) {
    if (!(error instanceof SkynetError)) throw error
    return fail(error.message, error.remedy ?? 'See its log, and restart it.')
  }
  const { role, pid, version } = exam.daemon
  if (version === exam.version) return pass(`${role}, process ${pid}, version ${version}`)
  const todo = 'Restart it: supervisorctl restart skynet-queue (running tasks go on)'
  return warn(`it is of version ${version}, and this command of version ${exam.version}`, todo)
}

/** Our programs among those that Supervisor knows; undefined where there is no Supervisor. */
function ourPrograms({ options: { supervisorDir } }: Examination): (Program & { file: string })[] | undefined {
  if (!existsSync(supervisorDir)) return undefined
  const { username } = userInfo()
  const files = readdirSync(supervisorDir).filter((name) => /\.(conf|ini)$/.test(name))
  return files
    .flatMap((name) => {
      const file = join(supervisorDir, name)
      return programsIn(readIfAllowed(file)).map((program) => ({ ...program, file }))
    })
    .filter(({ command, user }) => /\b(queued|q)\b/.test(command) && /skynet|main\.js/.test(command) && isUser(user))
    .filter(({ command }) => !/skynet\.py\b/.test(command))

  function isUser(user: string | undefined): boolean {
    return user === undefined || user === username
  }
}

interface UnitProperties {
  loaded: boolean
  killMode: string
}

async function unitProperties(
  { machine, environment }: Examination,
  unit: string,
): Promise<UnitProperties | undefined> {
  const args = ['show', unit, '-p', 'LoadState', '-p', 'KillMode']
  const result = await machine.run('systemctl', args, { PATH: environment['PATH'] })
  if (result?.code !== 0) return undefined
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(result.stdout)?.[1] ?? ''
  return { loaded: value('LoadState') === 'loaded', killMode: value('KillMode') }
}

async function supervision(exam: Examination): Promise<Finding> {
  const [program] = ourPrograms(exam) ?? []
  if (program) {
    const { name, file, settings } = program
    if (isOff(settings['autostart']) || isOff(settings['autorestart'])) {
      return warn(
        `Supervisor's program ${name} is not started again by itself`,
        `Set autostart and autorestart to true in ${file}.`,
      )
    }
    return pass(`Supervisor's program ${name} in ${file}`)
  }
  if ((await unitProperties(exam, UNIT))?.loaded) return pass(`systemd's ${UNIT}`)
  return warn('nobody starts the daemon again when it is gone', 'Let Supervisor do it: sudo skynet setup')
}

/** A stop of the group would reach the drush of every running task. */
function stopSettings(exam: Examination): Finding {
  const programs = ourPrograms(exam)
  if (!programs || programs.length === 0) return skip('there is no Supervisor program')
  for (const { name, file, settings } of programs) {
    const wrong = ['stopasgroup', 'killasgroup'].filter((key) => isOn(settings[key]))
    if (wrong.length > 0) {
      const todo = `Set ${wrong.join(' and ')} to false in ${file}, then: supervisorctl reread && supervisorctl update`
      return fail(`${name} has ${wrong.map((key) => `${key}=true`).join(', ')}: a restart kills running tasks`, todo)
    }
  }
  return pass('stopping the daemon leaves running tasks alone')
}

/** The unit that the daemon is part of, its own or Supervisor's: systemd ends a whole control group unless told not to. */
async function killMode(exam: Examination): Promise<Finding> {
  const unit = exam.daemon ? exam.machine.unitOf(exam.daemon.pid) : UNIT
  if (unit === undefined) return pass('no unit of systemd holds the daemon')
  const properties = await unitProperties(exam, unit)
  if (!properties?.loaded) return skip(`systemd says nothing of ${unit}`)
  const { killMode: mode } = properties
  if (mode === 'process' || mode === 'none') return pass(`${unit} has KillMode=${mode}`)
  const todo = `systemctl edit ${unit}: [Service], KillMode=process. Then: systemctl daemon-reload`
  return fail(`${unit} has KillMode=${mode}: stopping it kills running tasks`, todo)
}

/** provision restarts the web server by a command of the server's node, with sudo as a rule. */
async function sudo({ connection, machine, taskEnvironment }: Examination): Promise<Finding> {
  const commands = await readRestartCommands(connection)
  const programs = new Set(
    commands.flatMap((command) => /^\s*sudo\s+(?:-\S+\s+)*(\S+)/.exec(command)?.[1] ?? []).filter(Boolean),
  )
  if (programs.size === 0) return pass('no web server is restarted with sudo')
  const { PATH, HOME, USER, LOGNAME } = taskEnvironment
  const result = await machine.run('sudo', ['-n', '-l'], { PATH, HOME, USER, LOGNAME, LC_ALL: 'C' })
  const allowed = result?.code === 0 ? result.stdout : ''
  const missing = [...programs].filter((program) => !mayRun(allowed, program))
  const list = [...programs].join(', ')
  if (missing.length === 0) return pass(`${list}, without a password`)
  const why = !result ? 'there is no sudo' : 'sudo -n -l does not list it'
  return fail(
    `verifies cannot restart the web server with ${missing.join(', ')}: ${why}`,
    `In /etc/sudoers.d/aegir (visudo -f): ${userInfo().username} ALL=NOPASSWD: ${missing.join(', ')}`,
  )
}

function mayRun(listing: string, program: string): boolean {
  const rules = listing.split('\n').flatMap((line) => /NOPASSWD:\s*(.*)$/.exec(line)?.[1]?.split(/\s*,\s*/) ?? [])
  return rules.some((rule) => rule.split(/\s/)[0] === program || rule === 'ALL')
}

function logRotation(exam: Examination): Finding {
  const file = exam.config.log.file ?? exam.taskEnvironment['SKYNET_LOG_FILE'] ?? outputFile(exam)
  if (file !== undefined) {
    if (isInLogrotate(exam.options.logrotateDir, file)) return pass(`logrotate rotates ${file}`)
    const todo = `Put a file into ${exam.options.logrotateDir}; supervisor/skynet-queue.logrotate of this package is one.`
    return warn(`nobody rotates ${file}`, todo)
  }
  const [program] = ourPrograms(exam) ?? []
  if (!program) return pass('the daemon has no log file of its own')
  const { settings, file: where } = program
  const log = settings['stdout_logfile'] ?? 'AUTO'
  const isRotated = !/^0[KMG]?B?$/i.test(settings['stdout_logfile_maxbytes'] ?? '50MB')
  const isNoFile = /^(NONE|syslog|\/dev\/.*)$/i.test(log)
  if (isRotated || isNoFile || isInLogrotate(exam.options.logrotateDir, log))
    return pass(`Supervisor looks after ${log}`)
  return warn(`nobody rotates ${log}`, `Set stdout_logfile_maxbytes=10MB in ${where}, then: supervisorctl update`)
}

/** The file that the daemon's standard output goes to, as with `--daemon`. */
function outputFile({ daemon }: Examination): string | undefined {
  try {
    const target = daemon && readlinkSync(`/proc/${daemon.pid}/fd/1`)
    return target !== undefined && statSync(target).isFile() ? target : undefined
  } catch {
    return undefined
  }
}

function isInLogrotate(folder: string, file: string): boolean {
  if (!existsSync(folder)) return false
  const words = readdirSync(folder).flatMap((name) => readIfAllowed(join(folder, name)).split(/["'\s{}]+/))
  return words.some((word) => word.startsWith('/') && matches(word, file))
}

function matches(pattern: string, path: string): boolean {
  const literal = pattern.replace(/[.+^$()|[\]\\]/g, '\\$&')
  return new RegExp(`^${literal.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`).test(path)
}

function readIfAllowed(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const isOn = (value: string | undefined) => /^(true|on|yes|1)$/i.test(value ?? '')
const isOff = (value: string | undefined) => /^(false|off|no|0)$/i.test(value ?? '')
