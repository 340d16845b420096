import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../src/daemon/admission.js'
import { Conditions } from '../../src/observe/conditions.js'
import { machineFaultIn } from '../../src/runner/run-output.js'

test('drush’s refusal for the load and for the database is a fault of the machine, coloured or not', () => {
  const load = 'load on system too heavy (99.00 99.00 99.00), aborting'
  assert.equal(machineFaultIn(`${load.padEnd(69)}    [error]\n`), `drush said: ${load} [error]`)
  assert.match(machineFaultIn(`\u001b[31m${load}\u001b[0m`) ?? '', /too heavy/)
  const database =
    'Command hosting-task needs a higher bootstrap level to run\n' +
    'Drush was not able to start (bootstrap) the Drupal database.\u001b[31;40m\u001b[1m[error]\u001b[0m\n'
  assert.equal(machineFaultIn(database), 'drush said: not able to start (bootstrap) the Drupal database')
})

test('what drush says of a single task is none', () => {
  for (const output of [
    '',
    'This task cannot be started [error]',
    "Could not find or create a '' task",
    '\u0000\ufffd',
  ]) {
    assert.equal(machineFaultIn(output), undefined)
  }
})

test('above max_load nothing is started; both ends of that are told once', () => {
  let load = 10.5
  let now = 0
  const clock = { monotonic: () => now } as never
  const told: string[] = []
  const log = (level: string) => (_fields: object, message: string) => void told.push(`${level}: ${message}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const conditions = new Conditions(logger as never, () => 0)
  const settings = () => ({ queue: { max_load: 10 }, state: { min_free: 0 } }) as never
  const store = { freeBytes: () => 1 } as never
  const admission = new Admission({ settings, store, conditions, clock, load: () => load })
  assert.deepEqual(admission.halt(), { kind: 'overloaded', load: 10.5, limit: 10 })
  admission.halt()
  load = 10
  assert.equal(admission.halt()?.kind, 'overloaded', 'the kernel has not computed it anew')
  now = 5_000
  assert.equal(admission.halt(), undefined)
  admission.halt()
  assert.deepEqual(told, ['warn: load is too high; nothing is started', 'info: load is low enough again'])
})
