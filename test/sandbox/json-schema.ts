import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true })
const compiled = new Map<string, ValidateFunction>()

/**
 * Fails unless a verb's JSON is as `src/cli/schemas/VERB.schema.json` says. Those files are part of the package: programs are
 * written against them, so a field that is new, gone or of another type has to be changed there as well.
 */
export function assertFitsSchema(verb: string, value: unknown): void {
  const fits = compiled.get(verb) ?? compile(verb)
  if (!fits(value)) {
    assert.fail(`${ajv.errorsText(fits.errors, { separator: '\n' })}\nin ${JSON.stringify(value, null, 2)}`)
  }
}

/** The same for a verb that prints one object a line. @returns the objects. */
export function parseLines<Line>(verb: string, stdout: string): Line[] {
  return stdout.split('\n').flatMap((line) => {
    if (line === '') return []
    const value = JSON.parse(line) as Line
    assertFitsSchema(verb, value)
    return [value]
  })
}

function compile(verb: string): ValidateFunction {
  const file = new URL(`../../src/cli/schemas/${verb}.schema.json`, import.meta.url)
  const fits = ajv.compile(JSON.parse(readFileSync(file, 'utf8')) as object)
  compiled.set(verb, fits)
  return fits
}
