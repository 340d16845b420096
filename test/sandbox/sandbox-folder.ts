import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asAccount, sandboxAccount, type Account } from './account.js'

/**
 * Waits until the process that made the sandbox closes the pipe, which the kernel does for one that was killed, and
 * then ends everything whose HOME lies in the folder (drush gets little more of an environment than HOME) and removes it.
 */
const WATCHDOG = `
trap '' INT TERM HUP
while read -r _; do :; done
round=0
while [ $round -lt 100 ]; do
  pids=$(grep -lzF "HOME=$1/" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
  [ -n "$pids" ] || break
  kill -KILL $pids 2>/dev/null
  round=$((round + 1))
  sleep 0.01
done
rm -rf "$1"
`

/** A temporary folder that is gone, with every process that lives in it, when its maker closes it or dies. */
export class SandboxFolder {
  readonly path: string
  readonly account: Account
  readonly #watchdog: ChildProcess
  #closing: Promise<unknown> | undefined

  private constructor(path: string, account: Account, watchdog: ChildProcess) {
    this.path = path
    this.account = account
    this.#watchdog = watchdog
  }

  static create(): SandboxFolder {
    const account = sandboxAccount()
    const path = mkdtempSync(join(tmpdir(), 'skynet-sandbox-'))
    const watchdog = spawn('sh', ['-c', WATCHDOG, 'sandbox-watchdog', path], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    })
    watchdog.unref()
    const folder = new SandboxFolder(path, account, watchdog)
    folder.own(path)
    folder.#checkAccount()
    folder.makeFolder('home')
    return folder
  }

  get home(): string {
    return join(this.path, 'home')
  }

  /** The least that a process must be given for the watchdog to find it. */
  get environment(): Record<string, string> {
    return {
      HOME: this.home,
      USER: this.account.name,
      LOGNAME: this.account.name,
      SHELL: '/bin/sh',
      PATH: `${join(this.path, 'bin')}:${process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`,
      LANG: 'C.UTF-8',
    }
  }

  makeFolder(name: string, mode = 0o755): string {
    const path = join(this.path, name)
    mkdirSync(path, { recursive: true })
    chmodSync(path, mode)
    this.own(path)
    return path
  }

  /** Replaces the file in one step, so that a reader sees the old or the new content. */
  writeFile(name: string, content: string, mode = 0o644): string {
    const path = join(this.path, name)
    const beside = `${path}.new`
    writeFileSync(beside, content, { mode })
    chmodSync(beside, mode)
    this.own(beside)
    renameSync(beside, path)
    return path
  }

  /** Gives a path that we made to the sandbox's user. */
  own(path: string): void {
    if (this.account.drop) chownSync(path, this.account.uid, this.account.gid)
  }

  /** Ends what lives in the folder and removes it; may be called twice. */
  close(): Promise<unknown> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#watchdog.exitCode !== null || this.#watchdog.signalCode !== null) return
    const exit = once(this.#watchdog, 'exit')
    this.#watchdog.ref()
    this.#watchdog.stdin?.end()
    await exit
  }

  #checkAccount(): void {
    const check = spawnSync('test', ['-w', this.path], asAccount(this.account))
    if (check.status === 0) return
    this.#watchdog.stdin?.end()
    const why = check.error?.message ?? `it cannot write to ${this.path}`
    throw new Error(`The sandbox cannot run as user ${this.account.name}: ${why}. Set TMPDIR to a folder open to all.`)
  }
}
