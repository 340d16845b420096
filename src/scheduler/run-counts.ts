import type { Footprint } from './locks.js'
import type { Limits } from './plan-input.js'
import type { Reason } from './reason.js'

/**
 * Web server restarts and package synchronisation are not concurrency-proof, and verifies of sites on one platform
 * share its files: so many runs at a time go well on real Aegirs.
 */
const RUNS_PER_WEB_SERVER = 3
const SITE_VERIFIES_PER_PLATFORM = 2

type Counted = Pick<Footprint, 'webServers' | 'siteVerifyOn'>

/** How many runs work on each web server, and how many verify sites of each platform. */
export class RunCounts {
  private readonly onServer = new Map<number, number>()
  private readonly verifiesOn = new Map<number, number>()
  private readonly serverLimit: number
  private readonly platformLimit: number

  constructor(limits: Limits) {
    this.serverLimit = atLeastOne(limits.runsPerWebServer, RUNS_PER_WEB_SERVER)
    this.platformLimit = atLeastOne(limits.siteVerifiesPerPlatform, SITE_VERIFIES_PER_PLATFORM)
  }

  add({ webServers, siteVerifyOn }: Counted): void {
    for (const server of webServers) this.onServer.set(server, (this.onServer.get(server) ?? 0) + 1)
    if (siteVerifyOn !== undefined) this.verifiesOn.set(siteVerifyOn, (this.verifiesOn.get(siteVerifyOn) ?? 0) + 1)
  }

  /** The limit that one more such run would break. */
  full({ webServers, siteVerifyOn }: Counted): Reason | undefined {
    if (siteVerifyOn !== undefined && (this.verifiesOn.get(siteVerifyOn) ?? 0) >= this.platformLimit) {
      return { kind: 'platform-limit', platform: siteVerifyOn, limit: this.platformLimit }
    }
    const server = webServers.find((nid) => (this.onServer.get(nid) ?? 0) >= this.serverLimit)
    return server === undefined ? undefined : { kind: 'server-limit', server, limit: this.serverLimit }
  }
}

// A limit below one would keep tasks waiting for ever.
function atLeastOne(limit: number | undefined, otherwise: number): number {
  return limit === undefined || Number.isNaN(limit) ? otherwise : Math.max(1, Math.floor(limit))
}
