import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { databaseName } from '../../src/scheduler/database-name.js'
import { locks } from '../../src/scheduler/locks.js'
import type { Lock, Lockable } from '../../src/scheduler/locks.js'
import type { ExtraTypes } from '../../src/scheduler/task-types.js'
import { disturbs } from '../sandbox/conflict-checker.js'
import { SMALL, platform, server, site, topology } from './scheduler-world.js'

function task(type: string, rid: number, args: Record<string, string> = {}): Lockable {
  return { type, rid, arguments: args }
}

/** Locks as an operator would write them down: `X(site:101) S(platform:10) …`, in alphabetical order. */
function written(list: readonly Lock[]): string {
  return list
    .map(({ resource, mode }) => `${mode === 'exclusive' ? 'X' : 'S'}(${resource})`)
    .sort((a, b) => a.slice(2).localeCompare(b.slice(2)))
    .join(' ')
}

const PLAIN = 'S(everything) S(platform:12) S(server:2) S(server:3) X(site:104)'
const DB = 'X(database:3:fourexamplecom)'

/** One case per task type: what it takes on site 104 (platform 12, web server 2, database server 3). */
const SITE_CASES: [string, Record<string, string>, string][] = [
  ['verify', {}, PLAIN],
  ['import', {}, PLAIN],
  ['disable', {}, PLAIN],
  ['enable', {}, PLAIN],
  ['login-reset', {}, PLAIN],
  ['backup-delete', {}, PLAIN],
  ['flush_cache', {}, PLAIN],
  ['rebuild_registry', {}, PLAIN],
  ['run_cron', {}, PLAIN],
  ['backup', { description: 'before the update' }, PLAIN],
  ['delete', {}, PLAIN],
  ['update', {}, PLAIN],
  ['install', {}, `S(database:3:fourexamplecom_) ${DB} ${PLAIN}`],
  ['restore', { bid: '7' }, `X(database:3:fourexamplecom_) ${DB} ${PLAIN}`],
  [
    'migrate',
    { target_platform: '10' },
    `X(database:3:fourexamplecom_) ${DB} S(everything) X(platform:10) X(platform:12) S(server:1) S(server:2) S(server:3) X(site:104)`,
  ],
  [
    'migrate',
    { target_platform: '10', new_uri: 'www.neu-er.example.com', new_db_server: '1' },
    `X(database:1:neuerexamplecom) X(database:1:neuerexampleco_) ${DB} S(everything) X(platform:10) X(platform:12) S(server:1) S(server:2) S(server:3) X(site:104)`,
  ],
  [
    'clone',
    { target_platform: '@platform_eleven', new_uri: 'copy.example.com', new_db_server: '@server_three' },
    `S(database:3:copyexamplecom_) X(database:3:copyexamplecom) S(everything) X(platform:11) X(platform:12) S(server:1) S(server:2) S(server:3) X(site:104)`,
  ],
  [
    'sync',
    { source: '@one.example.com' },
    `S(everything) S(platform:12) S(server:1) S(server:2) S(server:3) S(site:101) X(site:104)`,
  ],
  ['devshop-deploy', {}, 'S(everything) X(platform:12) X(server:2) X(server:3) X(site:104)'],
  ['', {}, 'S(everything) X(platform:12) X(server:2) X(server:3) X(site:104)'],
]

describe('What a task takes', () => {
  for (const [type, args, expected] of SITE_CASES) {
    test(`A task of type ${JSON.stringify(type)} with ${String(Object.keys(args).length)} arguments takes on a site what its row says.`, () => {
      const sorted = expected.split(' ').sort((a, b) => a.slice(2).localeCompare(b.slice(2)))
      assert.equal(written(locks(task(type, 104, args), SMALL)), sorted.join(' '))
    })
  }

  test('A verify of the hostmaster site takes everything for itself, its other tasks do not.', () => {
    assert.match(written(locks(task('verify', 100), SMALL)), /X\(everything\)/)
    assert.match(written(locks(task('backup', 100), SMALL)), /S\(everything\)/)
  })

  for (const type of ['verify', 'lock', 'unlock', 'delete']) {
    test(`A ${type} of a platform takes the platform and shares its web server with all its members.`, () => {
      const expected = 'S(everything) X(platform:13) S(server:4) S(server:5) S(server:6)'
      assert.equal(written(locks(task(type, 13), SMALL)), expected)
    })
  }

  for (const type of ['verify', 'delete', 'something_else']) {
    test(`A ${type} of a server takes the server and all its members.`, () => {
      assert.equal(written(locks(task(type, 4), SMALL)), 'S(everything) X(server:4) X(server:5) X(server:6)')
    })
  }

  test('An unknown type takes the whole chain of a platform too.', () => {
    const expected = 'S(everything) X(platform:13) X(server:4) X(server:5) X(server:6)'
    assert.equal(written(locks(task('backup', 13), SMALL)), expected)
  })

  test('Members of members count, and a circle of memberships ends.', () => {
    const world = topology({ servers: [server(1, [2]), server(2, [3]), server(3, [1])] })
    assert.equal(written(locks(task('verify', 1), world)), 'S(everything) X(server:1) X(server:2) X(server:3)')
  })
})

describe('What is unknown takes everything', () => {
  const cases: [string, Lockable][] = [
    ['an object that does not exist', task('verify', 9999)],
    ['object 0', task('login-reset', 0)],
    ['a negative object', task('verify', -4)],
    ['an object that is no number', task('verify', NaN)],
    ['a migrate without a target', task('migrate', 104)],
    ['a migrate to a platform that does not exist', task('migrate', 104, { target_platform: '9999' })],
    ['a migrate to a site', task('migrate', 104, { target_platform: '101' })],
    ['a migrate to an unknown database server', task('migrate', 104, { target_platform: '10', new_db_server: '77' })],
    [
      'a clone to a number beyond all numbers',
      task('clone', 104, { target_platform: '9'.repeat(400), new_uri: 'x.y' }),
    ],
    ['a sync from an alias that no context has', task('sync', 104, { source: '@elsewhere' })],
    ['a sync from nothing', task('sync', 104)],
  ]
  for (const [what, each] of cases) {
    test(`It does for ${what}.`, () => assert.match(written(locks(each, SMALL)), /X\(everything\)/))
  }

  test('It does for a site whose platform, web server, a member of it, or database server is unknown.', () => {
    const broken = topology({
      servers: [server(1), server(2, [99])],
      platforms: [platform(10, 1), platform(11, 98), platform(12, 2)],
      sites: [site(101, 97, 1), site(102, 11, 1), site(103, 12, 1), site(104, 10, 0)],
    })
    for (const rid of [101, 102, 103, 104]) assert.match(written(locks(task('verify', rid), broken)), /X\(everything\)/)
  })

  test('A clone without a new uri keeps every database of its server for itself.', () => {
    assert.match(written(locks(task('clone', 104, { target_platform: '10' }), SMALL)), /X\(server:3\)/)
  })
})

describe("Contributed types, as an operator's skynet.conf has them", () => {
  const extra: ExtraTypes = new Map([
    ['my_type', ['site', 'platform']],
    ['my_db', ['db_server', 'database']],
    ['my_all', ['everything']],
    ['verify', []],
    ['migrate', []],
  ])
  const of = (type: string, rid: number) => written(locks(task(type, rid, { target_platform: '10' }), SMALL, extra))

  test('They take what is listed, their own object in any case, and share the rest.', () => {
    assert.equal(of('my_type', 104), 'S(everything) X(platform:12) S(server:2) S(server:3) X(site:104)')
    assert.equal(
      of('my_db', 104),
      'X(database:3:fourexamplecom) S(everything) S(platform:12) S(server:2) X(server:3) X(site:104)',
    )
    assert.match(of('my_all', 104), /X\(everything\)/)
    assert.equal(of('my_type', 12), 'S(everything) X(platform:12) S(server:2)')
    assert.equal(of('my_type', 2), 'S(everything) X(server:2)')
  })

  test('A type that Aegir has cannot be given weaker locks.', () => {
    assert.equal(of('verify', 2), written(locks(task('verify', 2), SMALL)))
    assert.equal(of('migrate', 104), written(locks(task('migrate', 104, { target_platform: '10' }), SMALL)))
  })
})

describe("The name that provision gives to a site's database", () => {
  const cases: [string, string][] = [
    ['example.com', 'examplecom'],
    ['www.example.com', 'examplecom'],
    ['www2.example.com', 'www2examplecom'],
    ['my-very-long-name.example.com', 'myverylongnameex'],
    ['My.Example.COM', 'myexamplecom'],
    ['', ''],
    ['ä.example.com', 'ã¤examplecom'],
  ]
  for (const [uri, name] of cases) {
    test(`For ${JSON.stringify(uri)} it is ${JSON.stringify(name)}.`, () => assert.equal(databaseName(uri), name))
  }
})

type Pair = [string, number, Record<string, string>?]

/** Pairs that matter: whether the two may run at the same time. */
const PAIRS: [string, Pair, Pair, 'together' | 'apart'][] = [
  ['two sites of one platform', ['verify', 101], ['backup', 102], 'together'],
  ['a platform and one of its sites', ['verify', 10], ['login-reset', 101], 'apart'],
  ['a platform and a site of another platform of the same server', ['verify', 10], ['verify', 103], 'together'],
  ['two platforms of one server', ['verify', 10], ['lock', 11], 'together'],
  ['a web server and one of its platforms', ['verify', 1], ['verify', 10], 'apart'],
  ['a web server and a site on it', ['verify', 2], ['backup', 104], 'apart'],
  ['a database server and a site on it', ['verify', 3], ['backup', 104], 'apart'],
  ['a server and a site elsewhere', ['verify', 2], ['backup', 101], 'together'],
  ['a member of a pack and a site on the pack', ['verify', 6], ['backup', 105], 'apart'],
  ['a pack and its member', ['verify', 4], ['verify', 5], 'apart'],
  ['two members of a pack', ['verify', 5], ['verify', 6], 'together'],
  ['the hostmaster site and a task elsewhere', ['verify', 100], ['login-reset', 105], 'apart'],
  ['a backup of the hostmaster site and a task elsewhere', ['backup', 100], ['login-reset', 105], 'together'],
  ['a migrate and a site of its target', ['migrate', 104, { target_platform: '10' }], ['login-reset', 101], 'apart'],
  ['a migrate and a platform beside', ['migrate', 104, { target_platform: '10' }], ['verify', 11], 'together'],
  ['a migrate and the server of its target', ['migrate', 104, { target_platform: '10' }], ['verify', 1], 'apart'],
  [
    'two clones to one uri',
    ['clone', 101, { target_platform: '11', new_uri: 'new.example.com', new_db_server: '3' }],
    ['clone', 104, { target_platform: '13', new_uri: 'www.new.example.com' }],
    'apart',
  ],
  [
    'two clones to two uris, on distinct platforms',
    ['clone', 101, { target_platform: '11', new_uri: 'new1.example.com' }],
    ['clone', 104, { target_platform: '13', new_uri: 'new2.example.com' }],
    'together',
  ],
  ['a sync and its source', ['sync', 104, { source: '@one.example.com' }], ['backup', 101], 'apart'],
  ['two syncs from one source', ['sync', 104, { source: '101' }], ['sync', 105, { source: '101' }], 'together'],
  ['an unknown type and a neighbour on its platform', ['mystery', 101], ['verify', 102], 'apart'],
  ['an unknown type and a site of its server', ['mystery', 101], ['verify', 103], 'apart'],
  ['an unknown type and a site elsewhere', ['mystery', 101], ['verify', 105], 'together'],
  ['an unknown object and anything', ['verify', 9999], ['login-reset', 105], 'apart'],
  ['installs', ['install', 101], ['install', 102], 'together'],
]

describe('Which tasks disturb which', () => {
  for (const [what, [typeA, ridA, argsA], [typeB, ridB, argsB], expected] of PAIRS) {
    test(`${what}: ${expected}.`, () => {
      const [a, b] = [task(typeA, ridA, argsA), task(typeB, ridB, argsB)]
      assert.equal(conflict(locks(a, SMALL), locks(b, SMALL)), expected === 'apart')
      assert.equal(conflict(locks(b, SMALL), locks(a, SMALL)), expected === 'apart')
      // The checker of the sandbox knows the bare table; a migrate's target server is our own addition.
      if (what !== 'a migrate and the server of its target') {
        assert.equal(disturbs({ nid: 1, ...a }, { nid: 2, ...b }, SMALL), expected === 'apart')
      }
    })
  }

  const names = (a: string, b: string) =>
    topology({
      servers: [server(1)],
      platforms: [platform(10, 1), platform(11, 1)],
      sites: [site(101, 10, 1, a), site(102, 11, 1, b)],
    })

  test('Two installs whose names share the 16 characters never overlap; with different names they do.', () => {
    const same = names('the-very-long-name.example.com', 'www.theverylongname.example.org')
    assert.equal(conflict(locks(task('install', 101), same), locks(task('install', 102), same)), true)
    const different = names('a-quite-long-name1.example.com', 'a-quite-long-name2.example.com')
    assert.equal(conflict(locks(task('install', 101), different), locks(task('install', 102), different)), false)
  })

  test('Two restores whose names share 14 characters never overlap: both may fall back to the same further name.', () => {
    const alike = names('a-quite-long-name1.example.com', 'a-quite-long-name2.example.com')
    assert.equal(conflict(locks(task('restore', 101), alike), locks(task('restore', 102), alike)), true)
    assert.equal(conflict(locks(task('restore', 101), alike), locks(task('install', 102), alike)), true)
    const different = names('company1.example.com', 'company2.example.com')
    assert.equal(conflict(locks(task('restore', 101), different), locks(task('restore', 102), different)), false)
  })
})

function conflict(a: readonly Lock[], b: readonly Lock[]): boolean {
  return a.some((one) =>
    b.some((other) => one.resource === other.resource && (one.mode === 'exclusive' || other.mode === 'exclusive')),
  )
}
