import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { killGroup } from './kill-group.js'
import { redact } from './run-output.js'
import type { ChildSurroundings, DrushCommand } from './run-shell.js'

/** `version` is drush's own, where its page tells it. */
export type DrushHealth = { works: true; version: string | undefined } | { works: false; reason: string }

/** Longest that a bootstrap may take; an overloaded machine needs some seconds. */
const PROBE_LIMIT_MS = 60_000

/** How long its last words may be on their way when it has exited. */
const LAST_WORDS_MS = 1_000

/** What is kept of the probe's output; its page has about twenty lines. */
const OUTPUT_LIMIT = 65_536

/**
 * Asks drush whether it works at all: `drush @hostmaster status`. Its exit status alone does not say: with the database
 * away drush 8 prints its page without the line that Drupal was bootstrapped, and exits 0.
 */
export async function probeDrush(
  drush: DrushCommand,
  surroundings: ChildSurroundings,
  limit = PROBE_LIMIT_MS,
): Promise<DrushHealth> {
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      resolve({ works: false, reason: spawnFailure(drush.command, error, surroundings.environment['PATH'] ?? '') })
    }
    let child
    try {
      child = spawnedProbe(drush, surroundings)
    } catch (error) {
      // Node tells some failures so (no memory for a process), and others later.
      fail(error as NodeJS.ErrnoException)
      return
    }
    let output = ''
    const collect = (chunk: Buffer): void => {
      if (output.length < OUTPUT_LIMIT) output += chunk.toString('utf8')
    }
    // Without descriptors to spare Node makes no streams, whatever its types say, and 'error' follows.
    const { stdout, stderr } = child as Partial<typeof child>
    stdout?.on('data', collect)
    stderr?.on('data', collect)
    const end = (health: DrushHealth): void => {
      clearTimeout(timer)
      stdout?.destroy()
      stderr?.destroy()
      resolve(health)
    }
    let timer = setTimeout(() => {
      killGroup(child.pid)
      end({ works: false, reason: `drush status was still running after ${limit / 1_000} s and was killed` })
    }, limit)
    child.on('error', (error) => {
      clearTimeout(timer)
      fail(error)
    })
    child.on('exit', (code, signal) => {
      const judged = (): void => end(judge(code, signal, stripVTControlCharacters(output)))
      child.on('close', judged)
      // A process that it left behind may keep the output open for ever.
      clearTimeout(timer)
      timer = setTimeout(judged, LAST_WORDS_MS)
    })
  })
}

/** What drush writes (caches) is not for us alone: it gets the umask that we were started with. */
function spawnedProbe({ command, alias }: DrushCommand, { home, environment, umask }: ChildSurroundings) {
  const ours = process.umask(umask)
  try {
    return spawn(command, [alias, 'status'], {
      cwd: home,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } finally {
    process.umask(ours)
  }
}

function judge(code: number | null, signal: string | null, output: string): DrushHealth {
  if (signal !== null) return { works: false, reason: `drush status was ended by ${signal}` }
  if (code !== 0) return { works: false, reason: `drush status exits ${code ?? '?'}: ${lastLine(output)}` }
  const isStatusPage = /drush version|php configuration/i.test(output)
  if (isStatusPage && !/bootstrap\s*:\s*successful/i.test(output)) {
    return { works: false, reason: 'drush cannot bootstrap the hostmaster site (is its database reachable for drush?)' }
  }
  return { works: true, version: /drush version\s*:\s*([\d.]+)/i.exec(output)?.[1] }
}

/** A bare name that PATH does not find gives EACCES too, where PATH holds a folder that is closed to us. */
function spawnFailure(command: string, error: NodeJS.ErrnoException, path: string): string {
  if (error.code !== 'ENOENT' && error.code !== 'EACCES') return `${command} could not be started: ${error.message}`
  if (command.includes('/')) {
    return `${command} ${error.code === 'ENOENT' ? 'does not exist' : 'is not executable'}; set [drush] command`
  }
  const found = path.split(':').find((folder) => existsSync(join(folder, command)))
  return found === undefined
    ? `${command} was not found in PATH; set [drush] command`
    : `${join(found, command)} is not executable`
}

function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return redact((lines.at(-1) ?? 'it printed nothing').replace(/\s+/g, ' ').trim()).slice(0, 300)
}
