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

/** Admission on a machine that is made up, and what it has told. */
function admissionOn(machine: { load: number; free: number; now: number }): { admission: Admission; told: string[] } {
  const told: string[] = []
  const log = (level: string) => (_fields: object, message: string) => void told.push(`${level}: ${message}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const conditions = new Conditions(logger as never, () => 0)
  const settings = () => ({ queue: { max_load: 10 }, state: { min_free: 1_000 } }) as never
  const store = { freeBytes: () => machine.free } as never
  const clock = { monotonic: () => machine.now } as never
  return { admission: new Admission({ settings, store, conditions, clock, load: () => machine.load }), told }
}

test('above max_load nothing is started; both ends of that are told once', () => {
  const machine = { load: 10.5, free: 1_000, now: 0 }
  const { admission, told } = admissionOn(machine)
  assert.deepEqual(admission.halt(), { kind: 'overloaded', load: 10.5, limit: 10 })
  admission.halt()
  machine.load = 10
  assert.equal(admission.halt()?.kind, 'overloaded', 'the kernel has not computed it anew')
  machine.now = 5_000
  assert.equal(admission.halt(), undefined)
  admission.halt()
  assert.deepEqual(told, ['warn: load is too high; nothing is started', 'info: load is low enough again'])
})

test('below min_free in the state directory nothing is started; both ends of that are told once', () => {
  const machine = { load: 0, free: 999, now: 0 }
  const { admission, told } = admissionOn(machine)
  assert.deepEqual(admission.halt(), { kind: 'outage', what: 'the state directory has only 999 bytes left' })
  admission.halt()
  machine.free = 1_000
  assert.equal(admission.halt()?.kind, 'outage', 'looked at a moment ago')
  machine.now = 1_000
  assert.equal(admission.halt(), undefined)
  admission.halt()
  assert.deepEqual(told, [
    'warn: state directory is nearly full; nothing is started',
    'info: state directory has room again',
  ])
})
