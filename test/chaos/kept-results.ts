import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Result } from './results.js'
import { SCENARIOS } from './scenarios.js'

/** What a long run has found so far; the next run with the same file goes on where that one was stopped. */
export interface KeptRun {
  seed: number
  began: string
  seconds: number
  sittings: number
  results: (Omit<Extract<Result, { kind: 'found' }>, 'scenario'> & { name: string })[]
}

/** undefined: nothing is kept yet. */
export function readKept(file: string): KeptRun | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as KeptRun) : undefined
}

export function resultsOf({ results }: KeptRun): Result[] {
  return results.flatMap(({ name, ...result }) => {
    const scenario = SCENARIOS.find((each) => each.name === name)
    return scenario ? [{ scenario, ...result }] : []
  })
}

/** Keeps the results that are good; the others are to be had again. */
export function keep(file: string, run: Omit<KeptRun, 'results'>, good: readonly Result[]): void {
  const results = good.flatMap((result) => {
    if (result.kind !== 'found') return []
    const { scenario, ...found } = result
    return [{ name: scenario.name, ...found }]
  })
  writeFileSync(file, JSON.stringify({ ...run, results }))
}
