import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../sandbox/wait-for.js'

const DEMO = fileURLToPath(new URL('../sandbox/demo.ts', import.meta.url))

/** As `npm run demo` starts it, once all that it needs is installed. */
class Demo {
  output = ''
  readonly child: ChildProcess
  readonly ended: Promise<number | null>

  constructor(scratch: string, args: string[] = []) {
    this.child = spawn(process.execPath, ['--import', 'tsx', DEMO, ...args], {
      env: { ...process.env, TMPDIR: scratch },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const collect = (text: string): void => void (this.output += text)
    this.child.stdout?.setEncoding('utf8').on('data', collect)
    this.child.stderr?.setEncoding('utf8').on('data', collect)
    this.ended = once(this.child, 'close').then(([code]) => code as number | null)
  }

  says(pattern: RegExp): Promise<RegExpExecArray> {
    return waitFor(() => pattern.exec(this.output), {
      what: `the demo to say ${pattern.source}`,
      timeoutMs: 60_000,
      lastSeen: () => this.output,
    })
  }
}

describe('the demo', { timeout: 240_000 }, () => {
  let scratch: string
  const demos: Demo[] = []

  const start = (args: string[] = []): Demo => {
    const demo = new Demo(scratch, args)
    demos.push(demo)
    return demo
  }

  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'skynet-demo-'))
    chmodSync(scratch, 0o755)
  })
  after(async () => {
    for (const { child, ended } of demos) {
      child.kill('SIGKILL')
      await ended
    }
    await nothingIsLeft()
    rmSync(scratch, { recursive: true, force: true })
  })

  /** The watchdog of a killed demo needs a moment. tsx keeps its own cache there. */
  const nothingIsLeft = (): Promise<true> =>
    waitFor(
      () =>
        readdirSync(scratch).every((name) => !name.startsWith('skynet-sandbox')) &&
        processesUnder(scratch).length === 0,
      { what: 'the sandbox and its processes to be gone', timeoutMs: 30_000 },
    )

  test('shows a line per task and a summary, in 80 columns of plain text where nobody looks on, and exits 0', async () => {
    const demo = start()
    assert.equal(await demo.ended, 0, demo.output)
    const lines = demo.output.split('\n')
    for (const line of lines) assert.ok(line.length <= 80, `wider than a terminal: ${line}`)
    assert.ok(!demo.output.includes('\u001b'), 'no escape codes in a pipe')
    const live = lines.filter((line) => /^ +\d+\.\d s {2}(success|warning|error) /.test(line))
    assert.equal(live.length, 12, demo.output)
    const rows = lines.filter((line) => /^ +\d+ {2}\S+ +\S+ +(success|warning|error) .* 1$/.test(line))
    assert.equal(rows.length, 12, demo.output)
    assert.match(demo.output, /12 tasks: 8 success, 2 warning, 2 error, as they were meant to end\./)
    assert.match(demo.output, /each of them was run exactly once\./)
    await nothingIsLeft()
  })

  test('with --keep, what it prints can be pasted, and TERM cleans up and exits 0', async () => {
    const demo = start(['--keep'])
    const [shell] = await demo.says(/ {2}skynet\(\) \{\n[^}]*\n {2}\}/)
    const paste = (command: string): { status: number | null; stdout: string; stderr: string } =>
      spawnSync('sh', ['-c', `${shell}\n${command}`], { encoding: 'utf8' })
    await demo.says(/queued: backup wiki\.example\.net/)

    const status = await waitFor(
      () => {
        const { stdout } = paste('skynet status')
        return /backup +wiki\.example\.net/.test(stdout) ? stdout : undefined
      },
      { what: 'the kept task to run', timeoutMs: 30_000 },
    )
    assert.match(status, /^Skynet: +leader/)
    const printed = [...demo.output.matchAll(/^ {2}(skynet [\w -]+?) +(?:#.*)?$|^ {2}(skynet resume)$/gm)]
    const commands = printed.map(([, command, bare]) => command ?? bare ?? '')
    assert.ok(commands.length >= 5, commands.join('; '))
    for (const command of commands) {
      const { status: code, stdout, stderr } = paste(command)
      assert.equal(code, 0, `${command}: ${stderr}`)
      assert.notEqual(stdout, '', command)
    }

    const [, queue = ''] = await demo.says(/^ {2}(kill -USR2 \d+) /m)
    assert.equal(paste(queue).status, 0)
    await demo.says(/queued: backup shop\.example\.com/)
    const [, killDaemon = ''] = await demo.says(/^ {2}(kill -9 \d+) /m)
    assert.equal(paste(killDaemon).status, 0)
    await demo.says(/adopted: backup wiki\.example\.net/)
    const drush = processesUnder(scratch).find(
      ({ args }) => args.includes('drush.php') && args.includes('hosting-task'),
    )
    assert.ok(drush, 'a drush goes on without the daemon')
    assert.equal(paste(`kill -9 ${drush.pid}`).status, 0)
    await demo.says(/error +backup +\S+ +\d+\.\d s {2}ended by KILL/)

    demo.child.kill('SIGTERM')
    assert.equal(await demo.ended, 0, demo.output)
    assert.match(demo.output, /The sandbox is removed\.\n$/)
    await nothingIsLeft()
  })

  test('leaves nothing behind when it is interrupted in its middle, and says by its exit status that it was', async () => {
    const demo = start()
    await demo.says(/success +verify/)
    demo.child.kill('SIGINT')
    assert.equal(await demo.ended, 130)
    assert.match(demo.output, /Interrupted; the sandbox is removed\.\n$/)
    await nothingIsLeft()
  })

  test('leaves nothing behind when it is killed', async () => {
    const demo = start()
    await demo.says(/success +verify/)
    demo.child.kill('SIGKILL')
    await demo.ended
    await nothingIsLeft()
  })

  test('leaves nothing behind when its reader goes away', async () => {
    const demo = start()
    await demo.says(/two may run at a time/)
    demo.child.stdout?.destroy()
    await demo.ended
    await nothingIsLeft()
  })

  test('says how it is used when an option is unknown', async () => {
    const demo = start(['--keeep'])
    assert.equal(await demo.ended, 2)
    assert.match(demo.output, /Unknown option '--keeep'/)
    assert.match(demo.output, /npm run demo -- --keep/)
  })
})

/** Processes whose HOME is in a sandbox of this test. */
function processesUnder(scratch: string): { pid: number; args: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${scratch}/`)) return []
        return [{ pid: Number(pid), args: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }]
      } catch {
        return []
      }
    })
}
