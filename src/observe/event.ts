/** A task as an event names it; type and object are printable. */
export interface EventTask {
  nid: number
  vid: number
  type: string
  object: string
  run: string
}

/**
 * What happens in the daemon that others than its log want to know: metrics count it, notifications tell it. It is told
 * where it is logged, once. Times are milliseconds since 1970, durations milliseconds.
 */
export type DaemonEvent =
  | { kind: 'polled'; duration: number }
  | { kind: 'task started'; task: EventTask; waited: number }
  | {
      kind: 'task settled'
      task: EventTask
      /** As the run's record has it. */
      outcome: string
      /** Drush never began it, and it was set to error after its last attempt. */
      givenUp: boolean
      /** null: not known, or there was no process. */
      duration: number | null
      exitCode: number | null
      signal: string | null
    }
  | { kind: 'task parked'; task: EventTask; attempt: number; until: number; reason: string }
  | { kind: 'task overlong'; task: EventTask; age: number; usual: number }
  | { kind: 'leadership changed'; leads: boolean; reason: string | null }
  | { kind: 'database lost'; error: string }
  | { kind: 'database back'; duration: number }
  | {
      kind: 'queue late'
      waiting: number
      oldest: { nid: number; type: string; object: string }
      age: number
      reason: string
    }
  | { kind: 'queue in time'; waiting: number }

export type Tell = (event: DaemonEvent) => void
