import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Figure } from './figure.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))

export interface Results {
  command: string
  date: string
  seconds: number
  machine: { processor: string; cores: number; memory_gb: number; kernel: string }
  versions: { skynet: string; node: string; mariadb: string; php: string }
  figures: Figure[]
}

export function resultsOf(command: string, started: number, figures: Figure[]): Results {
  const { version } = JSON.parse(readFileSync(`${HERE}/../../package.json`, 'utf8')) as { version: string }
  return {
    command,
    date: new Date(started).toISOString().slice(0, 10),
    seconds: Math.round((Date.now() - started) / 1000),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory_gb: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
    },
    versions: {
      skynet: version,
      node: process.version,
      mariadb: versionOf('mariadbd'),
      php: versionOf('php'),
    },
    figures,
  }
}

/** For a terminal. */
export function table(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ name }) => name.length))
  const lines = figures.map(({ name, shown, must, reached, note }) => {
    const mark = must === '' ? '   ' : reached ? 'ok ' : 'NOT'
    return `${mark} ${name.padEnd(width)}  ${shown.padStart(12)}  ${must.padEnd(12)}  ${note}`.trimEnd()
  })
  return lines.join('\n')
}

export function readResults(): Results {
  return JSON.parse(readFileSync(`${HERE}/results.json`, 'utf8')) as Results
}

/** Writes results.json and RESULTS.md. */
export function writeResults(results: Results): void {
  writeFileSync(`${HERE}/results.json`, JSON.stringify(results, null, 2) + '\n')
  writePage(results)
}

/** Writes RESULTS.md: the figures, and the findings, which are kept in a file of their own. */
export function writePage(results: Results): void {
  const { machine, versions, figures } = results
  const rows = figures.map(({ name, shown, must, reached, note }) => {
    const mark = must === '' ? '' : reached ? 'yes' : '**no**'
    return `| ${name} | ${shown} | ${must} | ${mark} | ${note} |`
  })
  writeFileSync(
    `${HERE}/RESULTS.md`,
    `# What Skynet costs

Written by \`${results.command}\`, on ${results.date}, in ${Math.round(results.seconds / 6) / 10} minutes. The same as data: [results.json](results.json).
The tasks, the drush and the database are those of [the sandbox](../sandbox/README.md). Each figure is measured beside what it is compared with, in
the same run: absolute times prove little, since machines differ, and one machine from minute to minute.

* Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memory_gb} GB, Linux ${machine.kernel}
* Versions: Skynet ${versions.skynet}, Node ${versions.node}, ${versions.mariadb}, ${versions.php}

| figure | is | must be | reached | |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

The peers: **floor** is \`xargs -n 1 -P N drush @hostmaster hosting-task\` over the nids, which no queue daemon can beat;
**each-second** does what the Python daemon did (connect, query, run one after another, sleep a second); **daemon-php** has the timing of
Aegir's PHP daemon (a poll each second, one task, a second of sleep before it and after it). Both are loops of the bench, see
[peers.ts](peers.ts).

${readFileSync(`${HERE}/findings.md`, 'utf8')}`,
  )
}

function versionOf(program: string): string {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` }
  const said = execFileSync(program, ['--version'], { encoding: 'utf8', env })
  return /(?:MariaDB|PHP|Ver) ?[\d.]+(?:-MariaDB)?|[\d.]+-MariaDB/.exec(said)?.[0].replace(/^Ver /, '') ?? program
}
