import type { Sandbox } from './sandbox.js'

/** A task of the demo: what it is for the person who looks on, and how it should end. */
export interface DemoTask {
  nid: number
  type: string
  object: string
  /** Milliseconds since 1970. */
  queuedAt: number
  expected: Outcome
}

export type Outcome = 'success' | 'warning' | 'error'

/** Aegir's numbers for them. */
export const STATUS_OF = { success: 1, error: 2, warning: 3 } as const

export interface DemoQueue {
  /** Queued before the daemon starts. */
  first: DemoTask[]
  /** The one in whose middle the daemon is killed. */
  longest: DemoTask
  /** Queues one task more. */
  queue: (object: string, type: string, options?: { ms?: number; expected?: Outcome }) => Promise<DemoTask>
}

/** An Aegir with two platforms and four sites, and eleven tasks that wait. */
export async function fillQueue({ hostmaster }: Sandbox): Promise<DemoQueue> {
  const { server: master } = await hostmaster.hostmasterSite('aegir.example.com')
  const web = await hostmaster.server({ name: 'web1' })
  const old = await hostmaster.platform({ name: 'drupal7', server: web })
  const current = await hostmaster.platform({ name: 'drupal10', server: web })
  const nids = new Map([
    ['server_web1', web],
    ['platform_drupal7', old],
    ['platform_drupal10', current],
  ])
  for (const [uri, platform] of [
    ['blog.example.com', old],
    ['shop.example.com', old],
    ['club.example.org', current],
    ['wiki.example.net', current],
  ] as const) {
    nids.set(uri, await hostmaster.site({ uri, platform, dbServer: master }))
  }

  const queue: DemoQueue['queue'] = async (object, type, { ms = 300, expected = 'success' } = {}) => {
    const rid = nids.get(object)
    if (rid === undefined) throw new Error(`The demo has no ${object}.`)
    const { nid } = await hostmaster.queueTask({
      object: rid,
      type,
      arguments: { sandbox_ms: String(ms), sandbox_end: expected },
    })
    return { nid, type, object, queuedAt: Date.now(), expected }
  }

  const first = [
    await queue('server_web1', 'verify', { ms: 500 }),
    await queue('platform_drupal7', 'verify', { ms: 700 }),
    await queue('platform_drupal10', 'verify', { ms: 700 }),
    await queue('blog.example.com', 'verify', { ms: 600 }),
    await queue('shop.example.com', 'verify', { ms: 600, expected: 'warning' }),
    await queue('club.example.org', 'install', { ms: 900, expected: 'error' }),
    await queue('wiki.example.net', 'backup', { ms: 2_000 }),
    await queue('blog.example.com', 'flush_cache', { ms: 200 }),
    await queue('shop.example.com', 'backup', { ms: 800 }),
    await queue('wiki.example.net', 'run_cron', { ms: 300, expected: 'warning' }),
    await queue('club.example.org', 'verify', { ms: 500, expected: 'error' }),
  ]
  const longest = first.find(({ type, object }) => type === 'backup' && object === 'wiki.example.net')
  if (!longest) throw new Error('The demo has no task to kill the daemon in.')
  return { first, longest, queue }
}
