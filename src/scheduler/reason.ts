import type { Resource } from './locks.js'

/** A task as others speak of it. `type` and `object` are data of clients: strip before printing. */
export interface TaskName {
  readonly nid: number
  readonly type: string
  readonly object: string
}

/** A pause of some tasks: of a type, of an object, or of a type on an object. Times are milliseconds since 1970. */
export interface PauseOfTasks {
  /** null: of every type. */
  readonly type: string | null
  /** null: of every object. */
  readonly object: string | null
  readonly by: string
  readonly since: number
  readonly until: number | null
  readonly reason: string
}

/** Why nothing at all may start. Times are milliseconds since 1970. */
export type Halt =
  | {
      readonly kind: 'paused'
      readonly by: string
      readonly since?: number
      readonly until?: number
      readonly reason?: string
    }
  | { readonly kind: 'not-leading'; readonly leader?: string }
  | { readonly kind: 'foreign-lock'; readonly holder: string; readonly until?: number }
  | { readonly kind: 'outage'; readonly what: string; readonly since?: number }
  | { readonly kind: 'overloaded'; readonly load: number; readonly limit: number }
  | { readonly kind: 'stopping' }

/** Why a waiting task is not started now. Times are milliseconds since 1970. */
export type Reason =
  | Halt
  | { readonly kind: 'parked'; readonly until: number }
  | { readonly kind: 'claimed-elsewhere'; readonly vid: number }
  | { readonly kind: 'task-paused'; readonly pause: PauseOfTasks }
  | { readonly kind: 'settling'; readonly until: number }
  | { readonly kind: 'behind-same-object'; readonly task: TaskName; readonly running: boolean }
  | { readonly kind: 'waits-for-lock'; readonly resource: Resource; readonly holder: TaskName }
  | { readonly kind: 'must-not-overtake'; readonly resource: Resource; readonly task: TaskName }
  | { readonly kind: 'server-limit'; readonly server: number; readonly limit: number }
  | { readonly kind: 'platform-limit'; readonly platform: number; readonly limit: number }
  | { readonly kind: 'no-free-slot'; readonly slots: number }

/** The name of an object, where the caller knows it. */
export type NameOf = (nid: number) => string | undefined

/** One English sentence for a person. Holds names given by clients: strip before printing. */
export function describeReason(reason: Reason, nameOf: NameOf = () => undefined): string {
  switch (reason.kind) {
    case 'paused':
      return `The queue is paused by ${reason.by}${since(reason.since)}${until(reason.until)}${because(reason.reason)}.`
    case 'not-leading':
      return reason.leader === undefined
        ? 'This daemon does not lead: another one runs the queue.'
        : `This daemon does not lead: ${reason.leader} runs the queue.`
    case 'foreign-lock':
      return `Aegir's queue lock is held by ${reason.holder}${until(reason.until)}.`
    case 'outage':
      return `Nothing can run: ${reason.what}${since(reason.since)}.`
    case 'overloaded':
      return `The machine is overloaded: its load is ${number(reason.load)}, and drush refuses to start above ${number(reason.limit)}.`
    case 'stopping':
      return 'The daemon is stopping and starts nothing any more.'
    case 'parked':
      return `An earlier attempt did not get through; it will be tried again${until(reason.until, 'after') || ' later'}.`
    case 'claimed-elsewhere':
      return `Another Skynet, of another machine or state directory, has claimed it (skynet_run_${reason.vid} in the table semaphore): it is left to that one.`
    case 'task-paused':
      return describePause(reason.pause)
    case 'settling':
      return `It has only just been queued and may start${until(reason.until, 'after') || ' soon'}.`
    case 'behind-same-object':
      return `It waits behind ${taskName(reason.task)}, which ${reason.running ? 'is running' : 'was queued before it'} on the same object.`
    case 'waits-for-lock':
      return `It waits for ${thing(reason.resource, nameOf)}, which ${taskName(reason.holder)} is using.`
    case 'must-not-overtake':
      return `It must not overtake ${taskName(reason.task)}, which waits before it and needs ${thing(reason.resource, nameOf)} too.`
    case 'server-limit':
      return `Server ${nameOf(reason.server) ?? reason.server} already has its limit of ${reason.limit} runs at a time.`
    case 'platform-limit':
      return `Platform ${nameOf(reason.platform) ?? reason.platform} already has its limit of ${reason.limit} site verifies at a time.`
    case 'no-free-slot':
      return reason.slots === 1
        ? 'It could start, but the only slot is taken.'
        : `It could start, but all ${reason.slots} slots are taken.`
  }
}

function describePause({ by, since: at, until: end, reason, ...tasks }: PauseOfTasks): string {
  return `It is paused, with all ${nameTasks(tasks)}, by ${by}${since(at || undefined)}${until(end ?? undefined)}${because(reason)}.`
}

/** The tasks that a pause is about: `verify tasks of blog.example.com`. */
export function nameTasks({ type, object }: Pick<PauseOfTasks, 'type' | 'object'>): string {
  return `${type === null ? 'tasks' : `${type} tasks`}${object === null ? '' : ` of ${object}`}`
}

function taskName(task: TaskName): string {
  const type = task.type === '' ? '' : `${task.type} `
  const object = task.object === '' ? '' : ` of ${task.object}`
  return `${type}task ${task.nid}${object}`
}

function thing(resource: Resource, nameOf: NameOf): string {
  if (resource === 'everything') return 'the whole of Aegir'
  const [kind = '', nid = '', database] = resource.split(':')
  const object = nameOf(Number(nid)) ?? nid
  return database === undefined ? `${kind} ${object}` : `the database name ${database} on server ${object}`
}

function since(at: number | undefined): string {
  return time(at) === '' ? '' : ` since ${time(at)}`
}

function until(at: number | undefined, word = 'until'): string {
  return time(at) === '' ? '' : ` ${word} ${time(at)}`
}

function because(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : ` (${reason})`
}

function time(at: number | undefined): string {
  // Beyond this a Date is invalid and toISOString() throws.
  if (at === undefined || !(Math.abs(at) <= 8.64e15)) return ''
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100)
}
