import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import type { Finding, Scenario } from './scenario.js'

export type Result = { scenario: Scenario; seconds: number } & (
  { kind: 'found'; finding: Finding } | { kind: 'failed'; message: string }
)

export interface Circumstances {
  seed: number
  began: Date
  seconds: number
  /** How often the run was begun: what had failed, or had not been reached, was done in the next one. */
  sittings: number
}

export function isGood(result: Result): boolean {
  return result.kind === 'found' && result.finding.lost === 0 && result.finding.doubled === 0
}

/** RESULTS.md: what was broken, how often, and what came of it. */
export function resultsPage(results: readonly Result[], { seed, began, seconds, sittings }: Circumstances): string {
  const rows = results.map((result) => {
    const { scenario } = result
    const took = `${Math.round(result.seconds)} s`
    if (result.kind === 'failed')
      return [scenario.fault, `**failed**: ${firstLine(result.message)}`, '', '', '', '', took]
    const { did, times, tasks, lost, doubled } = result.finding
    return [scenario.fault, did, times, tasks, lost, doubled, took]
  })
  const head = ['fault', 'what was done', 'times', 'tasks', 'lost', 'doubled', 'took']
  const line = (cells: (string | number)[]) =>
    `| ${cells.map((cell) => cell.toString().replaceAll('|', '\\|')).join(' | ')} |`
  return `# Faults on purpose

Made by \`npm run chaos\`. The witness is the journal of the stand-in drush together with the database, never Skynet's own log.
*Lost*: a task that never ran, or whose row does not say how it ended. *Doubled*: a task that two drushes were started for, or
two tasks at work on one object at the same time.

| | |
| --- | --- |
| date | ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC |
| took | ${Math.round(seconds / 60)} min${sittings > 1 ? `, in ${sittings} sittings: what had failed in one, or was not reached, was done in the next` : ''} |
| machine | ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()} |
| versions | ${versions()} |
| seed | ${seed} (\`npm run chaos -- --seed ${seed}\`) |

${line(head)}
${line(head.map(() => '---'))}
${rows.map(line).join('\n')}
`
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 200) ?? ''
}

function versions(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const said = (command: string, args: string[], pattern: RegExp) => {
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin` }
    return pattern.exec(execFileSync(command, args, { encoding: 'utf8', env }))?.[1] ?? 'unknown'
  }
  const mariadb = said('mariadbd', ['--version'], /Ver ([\d.]+)/)
  const php = said('php', ['--version'], /PHP ([\d.]+)/)
  return `Skynet ${version}, Node ${process.versions.node}, MariaDB ${mariadb}, PHP ${php}`
}
