/**
 * One step of setup. Setup shows `describe`, skips the step where `isDone`, else notes what `before` gives, and does it;
 * `--remove` shows `undescribe` and undoes it with that note, the last step first.
 */
export interface SetupStep<Before = unknown> {
  name: string
  describe: string
  undescribe: string
  isDone: () => Promise<boolean>
  /** What undoing needs to know, read before anything is changed; as JSON. */
  before: () => Promise<Before>
  do: (before: Before) => Promise<void>
  undo: (before: Before) => Promise<void>
}
