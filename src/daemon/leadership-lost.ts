/** We do not lead any more; contend again. */
export class LeadershipLost extends Error {}
