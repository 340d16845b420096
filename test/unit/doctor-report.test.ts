import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { runChecks, fail, pass, skip, warn, type CheckGroup } from '../../src/cli/doctor/check.js'
import { describeResults, verdictOf } from '../../src/cli/doctor/report.js'
import { newScreen, widthOf } from '../../src/cli/screen.js'
import { assertGolden } from '../sandbox/golden.js'

const GROUPS: CheckGroup[] = [
  {
    title: 'Configuration',
    checks: [
      { name: 'permissions', run: () => pass('/var/aegir/config/skynet/skynet.conf: for this user alone') },
      {
        name: 'disk space',
        run: () =>
          warn(
            '150 MB free for the state directory; nothing is started below 100M',
            'Make room on the disk of /var/aegir/config/skynet/state, or lower [state] keep_bytes.',
          ),
      },
    ],
  },
  {
    title: 'Database',
    checks: [
      {
        name: 'database',
        run: () =>
          fail(
            'hostmaster does not serve user hostmaster: nothing listens at the address',
            'Start the database server, or correct [database].',
          ),
      },
      { name: 'rights', needs: ['database'], run: () => pass('not reached') },
      { name: 'clocks', run: () => skip('nobody says what time it is') },
    ],
  },
]

describe('the report of the doctor', () => {
  for (const width of [80, 120]) {
    test(`fits into ${width} columns`, async () => {
      const report = describeResults(await runChecks(GROUPS), newScreen(width, false))
      for (const line of report.split('\n')) assert.ok(widthOf(line) <= width, line)
      assertGolden(`doctor-${width}`, `${report}\n`)
    })
  }

  test('says the same in colours', async () => {
    const results = await runChecks(GROUPS)
    const coloured = describeResults(results, newScreen(80, true))
    assert.equal(stripVTControlCharacters(coloured), describeResults(results, newScreen(80, false)))
    assert.ok(coloured.includes('\u001b[31mFAIL'), coloured)
  })

  test('comes to the worst of what was found', async () => {
    assert.equal(verdictOf(await runChecks(GROUPS)), 'fail')
    assert.equal(verdictOf(await runChecks(GROUPS.slice(0, 1))), 'warn')
    assert.equal(verdictOf([]), 'pass')
  })
})
