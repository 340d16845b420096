import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeConfig } from '../../src/config/describe-schema.js'
import { SkynetError } from '../../src/config/skynet-error.js'
import { configFolder, DATABASE } from './config-folder.js'

const keys = describeConfig().flatMap(({ name: section, keys: each }) =>
  each.map(({ name: key }) => ({ section, key })),
)
const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from('[]=;#"\'\\ \t\n\r\0abc019.-~/@é')) }),
  fc.constantFrom('0', '1', '-1', '5s', '1G', 'none', 'auto', 'yes', '~/x', '* * * * *', '@x', 'json', 'trace'),
)
const lines = fc.oneof(
  { arbitrary: fc.tuple(fc.constantFrom(...keys), texts).map(([{ key }, text]) => `${key} = ${text}`), weight: 3 },
  { arbitrary: fc.constantFrom(...keys).map(({ section }) => `[${section}]`), weight: 2 },
  { arbitrary: texts, weight: 1 },
)

test('property: any file loads or throws a SkynetError whose every line names a place', async (t) => {
  const folder = configFolder(t)
  let loaded = 0
  await fc.assert(
    fc.asyncProperty(fc.array(lines, { maxLength: 12 }), fc.boolean(), async (content, whole) => {
      folder.write('skynet.conf', DATABASE)
      folder.write('local.skynet.conf', (whole ? '[queue]\n' : '') + content.join('\n'))
      try {
        await folder.load()
        loaded++
      } catch (error) {
        assert.ok(error instanceof SkynetError, String(error))
        for (const line of error.message.split('\n')) assert.ok(line.startsWith(folder.path), error.message)
      }
    }),
    { numRuns: 500 },
  )
  assert.ok(loaded > 0)
})

test('property: a value loads from file, environment and flag alike, or from none of them', async (t) => {
  const folder = configFolder(t, { 'skynet.conf': DATABASE })
  const settled = (options: Parameters<typeof folder.load>[0]) =>
    folder.load(options).then(
      ({ config }) => JSON.stringify(config),
      (error: unknown) => {
        assert.ok(error instanceof SkynetError, String(error))
        return 'refused'
      },
    )
  const some = keys.filter(({ section }) => section !== 'database')
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...some), texts, async ({ section, key }, text) => {
      folder.write('local.skynet.conf', `[${section}]\n${key} = ${JSON.stringify(text)}\n`)
      const fromFile = await settled({})
      folder.write('local.skynet.conf', '; nothing\n')
      const name = `SKYNET_${section}_${key}`.toUpperCase()
      assert.equal(await settled({ environment: { [name]: text } }), fromFile)
      assert.equal(await settled({ flags: { [section]: { [key]: text } } }), fromFile)
    }),
    { numRuns: 300 },
  )
})

test('property: any password without NUL comes through both files and the environment as it is', async (t) => {
  const folder = configFolder(t)
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (passwd) => {
      folder.write('skynet.conf', `[database]\ndb=d\nuser=u\npasswd=${JSON.stringify(passwd)}\n`)
      assert.equal((await folder.load()).config.database.passwd, passwd)
      const { config } = await folder.load({ environment: { SKYNET_DATABASE_PASSWD: passwd } })
      assert.equal(config.database.passwd, passwd)
    }),
    { numRuns: 300 },
  )
})

test('property: no error holds the password, however the line with it or any line around it is broken', async (t) => {
  const folder = configFolder(t)
  const secret = 'Kx7Qz9Wv'
  const broken = fc
    .tuple(texts, texts, fc.constantFrom('passwd', 'password', 'PASSWD', 'port', 'host', 'x'))
    .map(([before, after, key]) => `${key} = ${before}${secret}${after}`)
  let errors = 0
  await fc.assert(
    fc.asyncProperty(broken, lines, async (line, other) => {
      folder.write('skynet.conf', `[database]\ndb = d\n${line}\n${other}\n`)
      const error = await folder.load().catch((reason: unknown) => reason)
      if (!(error instanceof SkynetError)) return
      errors++
      assert.doesNotMatch(`${error.message} ${JSON.stringify(error)} ${error.stack ?? ''}`, new RegExp(secret))
    }),
    { numRuns: 500 },
  )
  assert.ok(errors > 0)
})
