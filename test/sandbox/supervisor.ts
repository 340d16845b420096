import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandResult, Sandbox } from './sandbox.js'
import { waitFor } from './wait-for.js'

/** A private supervisord, with its own configuration and socket in the sandbox; as ourselves, as on a server. */
export class Supervisor {
  readonly folder: string
  /** Where programs are configured. */
  readonly programs: string
  readonly #sandbox: Sandbox
  readonly #configuration: string
  #process: ChildProcess | undefined
  #output = ''

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox
    this.folder = join(sandbox.folder.path, 'supervisor')
    this.programs = join(this.folder, 'conf.d')
    this.#configuration = join(this.folder, 'supervisord.conf')
    mkdirSync(this.programs, { recursive: true })
  }

  get #socket(): string {
    return join(this.folder, 'supervisor.sock')
  }

  /** Starts supervisord; `supervisorctl` in the sandbox's PATH speaks to it from now on. */
  async start(): Promise<void> {
    writeFileSync(
      this.#configuration,
      `[unix_http_server]
file=${this.#socket}
chmod=0700

[supervisord]
logfile=${join(this.folder, 'supervisord.log')}
pidfile=${join(this.folder, 'supervisord.pid')}
childlogdir=${this.folder}
${process.getuid?.() === 0 ? 'user=root' : ''}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://${this.#socket}

[include]
files=${this.programs}/*.conf
`,
    )
    const wrapper = join(this.#sandbox.folder.path, 'bin/supervisorctl')
    writeFileSync(wrapper, `#!/bin/sh\nexec ${program('supervisorctl')} -c ${this.#configuration} "$@"\n`)
    chmodSync(wrapper, 0o755)
    const child = spawn(program('supervisord'), ['-n', '-c', this.#configuration], {
      cwd: this.folder,
      // By its HOME the sandbox's watchdog knows it.
      env: this.#sandbox.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#output += text))
    }
    this.#process = child
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`supervisord ended:\n${this.#output}`)
        return existsSync(this.#socket)
      },
      { what: 'supervisord to listen', timeoutMs: 20_000, lastSeen: () => this.#output },
    )
  }

  /** Runs supervisorctl as ourselves. */
  async ctl(...args: string[]): Promise<CommandResult> {
    return runAsOurselves(program('supervisorctl'), ['-c', this.#configuration, ...args], this.#sandbox.environment)
  }

  /** `RUNNING`, `STARTING`, `STOPPED`, … */
  async state(name: string): Promise<string> {
    const { stdout } = await this.ctl('status', name)
    return /^\S+\s+([A-Z]+)/m.exec(stdout)?.[1] ?? stdout
  }

  async pid(name: string): Promise<number> {
    return Number((await this.ctl('pid', name)).stdout.trim())
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
  }
}

/** Runs a program to its end as the user that runs the tests: root's part of a setup. */
export async function runAsOurselves(
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<CommandResult> {
  const child = spawn(command, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  const result = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text))
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { ...result, code, signal }
}

function program(name: string): string {
  const path = `/usr/bin/${name}`
  if (spawnSync(path, ['--help']).error) throw new Error(`${name} is not installed: apt-get install supervisor`)
  return path
}
