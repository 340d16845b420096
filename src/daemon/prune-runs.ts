import { lstatSync, rmSync } from 'node:fs'
import { taskOfRunName } from '../runner/run-record.js'
import { isReadable, type RunStore } from '../runner/run-store.js'

/** How long the output of a run is kept that prints a way to log in, in milliseconds: a day. */
const LOGIN_OUTPUT = 24 * 60 * 60_000
const PRINTS_LOGIN = new Set(['login-reset', 'install'])

/** What a record and its folder take besides the output, in bytes; for the sum, not for the kernel. */
const RECORD_BYTES = 4_096

/**
 * Removes settled runs that are too old or too much, oldest first; others are not even looked at.
 * @returns how many runs were removed.
 */
export function pruneRuns(store: RunStore, limits: { keep: number; keepBytes: number }, now: number): number {
  const runs = store.historyNames().map((run) => ({ run, size: RECORD_BYTES + outputSize(store, run) }))
  let total = runs.reduce((sum, { size }) => sum + size, 0)
  let removed = 0
  for (const { run, size } of runs) {
    const age = now - (taskOfRunName(run)?.plannedAt ?? 0)
    // The name tells when a run was planned; only where that is long ago, or of a kind that matters, is it read.
    const record = age > Math.min(limits.keep, LOGIN_OUTPUT) ? store.readHistory(run) : undefined
    const ended = record && isReadable(record) ? (record.ended_at ?? record.settled_at ?? record.planned_at) : now - age
    if (now - ended > limits.keep || total > limits.keepBytes) {
      store.removeHistory(run)
      total -= size
      removed += 1
    } else if (record && isReadable(record) && PRINTS_LOGIN.has(record.type) && now - ended > LOGIN_OUTPUT) {
      rmSync(store.settledOutputFile(run), { force: true })
    }
  }
  return removed
}

function outputSize(store: RunStore, run: string): number {
  return lstatSync(store.settledOutputFile(run), { throwIfNoEntry: false })?.size ?? 0
}
