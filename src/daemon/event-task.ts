import type { EventTask } from '../observe/event.js'
import type { RunRecord } from '../runner/run-record.js'

/** The task of a run, as events name it. */
export function eventTask({ nid, vid, type, object, run }: RunRecord): EventTask {
  return { nid, vid, type, object, run }
}
