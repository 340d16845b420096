import type { Sandbox } from './sandbox.js'

/**
 * Makes sites on `servers` servers with a platform each, the hostmaster site not among them. Their names are those of no
 * other sandbox: Skynet looks for living tasks in the process table, and tests that run at the same time share that.
 */
export async function makeSites(sandbox: Sandbox, count: number, { servers = 1 } = {}): Promise<number[]> {
  const { hostmaster, database } = sandbox
  await hostmaster.hostmasterSite(`aegir-${database.port}.example.com`)
  const places: { server: number; platform: number }[] = []
  for (let number = 0; number < servers; number++) {
    const server = await hostmaster.server({ name: `web${number}x${database.port}` })
    places.push({ server, platform: await hostmaster.platform({ name: `p${number}x${database.port}`, server }) })
  }
  const sites: number[] = []
  for (let number = 0; number < count; number++) {
    const place = places[number % servers]
    if (!place) break
    const uri = `s${number}-${database.port}.example.com`
    sites.push(await hostmaster.site({ uri, platform: place.platform, dbServer: place.server }))
  }
  return sites
}
