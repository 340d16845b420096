import type { PlanInput, RunningTask, WaitingTask } from '../../src/scheduler/plan.js'
import type { Platform, Server, Site, Topology } from '../../src/scheduler/topology.js'

/** The present of these tests: milliseconds and, as `node.changed`, seconds. */
export const NOW = 1_700_000_000_000
export const NOW_S = NOW / 1000

/**
 * A small hosting:
 *
 *   servers    1 (web and db), 2 (web), 3 (db), 4 (pack of 5 and 6)
 *   platforms  10 and 11 on server 1, 12 on server 2, 13 on the pack 4
 *   sites      100 hostmaster, 101, 102 on 10; 103 on 11; 104 on 12 (db 3); 105 on 13 (db 3)
 */
export const SMALL = topology({
  servers: [server(1), server(2), server(3), server(4, [5, 6]), server(5), server(6)],
  platforms: [platform(10, 1), platform(11, 1), platform(12, 2), platform(13, 4)],
  sites: [
    { ...site(100, 10, 1, 'hostmaster.example.com'), hostmaster: true },
    site(101, 10, 1, 'one.example.com'),
    site(102, 10, 1, 'two.example.com'),
    site(103, 11, 1, 'three.example.com'),
    site(104, 12, 3, 'four.example.com'),
    site(105, 13, 3, 'five.example.com'),
  ],
  contexts: { hostmaster: 100, 'one.example.com': 101, platform_eleven: 11, server_three: 3 },
})

export function server(nid: number, members: number[] = []): Server {
  return { nid, members, services: ['http', 'db'] }
}

export function platform(nid: number, webServer: number): Platform {
  return { nid, webServer }
}

export function site(nid: number, platform: number, dbServer: number, uri = `site${nid}.example.com`): Site {
  return { nid, uri, platform, dbServer, client: 1, hostmaster: false }
}

export function topology(parts: {
  servers?: Server[]
  platforms?: Platform[]
  sites?: Site[]
  contexts?: Record<string, number>
}): Topology {
  const byNid = <T extends { nid: number }>(list: T[] = []) => new Map(list.map((each) => [each.nid, each]))
  return {
    servers: byNid(parts.servers),
    platforms: byNid(parts.platforms),
    sites: byNid(parts.sites),
    contexts: new Map(Object.entries(parts.contexts ?? {})),
  }
}

/** A waiting task; nids below 1,000 are queued in the order of their nids, a minute ago. */
export function waiting(nid: number, type: string, rid: number, more: Partial<WaitingTask> = {}): WaitingTask {
  return { nid, vid: nid + 5000, type, rid, changed: NOW_S - 60, arguments: {}, object: `object ${rid}`, ...more }
}

export function running(nid: number, type: string, rid: number, more: Partial<RunningTask> = {}): RunningTask {
  return { nid, type, rid, arguments: {}, object: `object ${rid}`, kind: 'own', startedAt: NOW - 1000, ...more }
}

export function input(tasks: WaitingTask[], more: Partial<PlanInput> = {}): PlanInput {
  return { waiting: tasks, running: [], topology: SMALL, limits: { concurrentTasks: 100 }, now: NOW, ...more }
}
