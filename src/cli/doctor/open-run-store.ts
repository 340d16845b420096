import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { RunStore } from '../../runner/run-store.js'

/** The records of a state directory; undefined where there are none yet. To look must not make anything. */
export function openRunStore(dir: string): RunStore | undefined {
  return existsSync(join(dir, 'runs')) && existsSync(join(dir, 'history')) ? new RunStore(dir) : undefined
}
