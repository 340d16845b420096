/**
 * Words (one term per concept, everywhere):
 *
 * - hostmaster: Aegir's own Drupal 7 site; its database is the queue.
 * - task: a node of type `task`; its `nid` names it for life, its `vid` changes at every start.
 * - object: the node that the task acts on (`rid`): a site, platform or server.
 * - status: Aegir's own number for where a task is, see `TASK_STATUS`.
 */

/** `hosting_task.task_status`. */
export const TASK_STATUS = { queued: 0, processing: -1, success: 1, error: 2, warning: 3 } as const

export type TaskStatus = (typeof TASK_STATUS)[keyof typeof TASK_STATUS]

/** The current row of a task (`hosting_task.vid = node.vid`), with what names its object to a person. */
export interface Task {
  nid: number
  vid: number
  /** `verify`, `install`, `migrate`, …; '' where the column is NULL. Data of clients: strip before printing. */
  type: string
  /** nid of the object; 0 or a nid without a node where the row is damaged. */
  rid: number
  /** `node.changed`, seconds since 1970: when the task was queued. */
  changed: number
  /** `hosting_context.name` of the object (without the `@`), else the title of its node, else ''. */
  object: string
}
