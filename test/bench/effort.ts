/** How much of everything is measured. */
export interface Effort {
  wokenTasks: number
  /** Each after seven seconds. */
  restedTasks: number
  polledTasks: number
  peerReactions: number
  pairs: number
  serialTasks: number
  parallelTasks: number
  /** Tasks of the daemon of which little is known but that it is slow. */
  phpTasks: number
  /** Before the daemon counts as idle: the history has been read, and what the start has left has been collected, at the second turn that is a ping. */
  restSeconds: number
  idleSeconds: number
  /** Until a daemon without a run has collected its garbage for the last time: four times, ten seconds apart, and this one looks every ten seconds. */
  collectionSeconds: number
  historyTasks: number
  longRunTasks: number
  waitingTasks: number
  waitingSeconds: number
  verbRuns: number
  starts: number
  kills: number
}

/** Under ten minutes on two cores. */
export const FULL: Effort = {
  wokenTasks: 200,
  restedTasks: 5,
  polledTasks: 40,
  peerReactions: 6,
  pairs: 5,
  serialTasks: 100,
  parallelTasks: 200,
  phpTasks: 4,
  restSeconds: 25,
  idleSeconds: 60,
  collectionSeconds: 55,
  historyTasks: 1_000_000,
  longRunTasks: 10_000,
  waitingTasks: 10_000,
  waitingSeconds: 60,
  verbRuns: 21,
  starts: 11,
  kills: 50,
}

/** Under one minute: the counts are the same, the times only show whether something is far off. */
export const QUICK: Effort = {
  wokenTasks: 20,
  restedTasks: 0,
  polledTasks: 4,
  peerReactions: 0,
  pairs: 1,
  serialTasks: 10,
  parallelTasks: 20,
  phpTasks: 0,
  restSeconds: 3,
  idleSeconds: 6,
  collectionSeconds: 0,
  historyTasks: 20_000,
  longRunTasks: 500,
  waitingTasks: 2_000,
  waitingSeconds: 3,
  verbRuns: 3,
  starts: 2,
  kills: 3,
}
