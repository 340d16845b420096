import { wrap, type Screen } from '../screen.js'
import type { CheckResult } from './check.js'

/** What all findings come to. */
export type Verdict = 'pass' | 'warn' | 'fail'

export function verdictOf(results: CheckResult[]): Verdict {
  if (results.some(({ status }) => status === 'fail')) return 'fail'
  return results.some(({ status }) => status === 'warn') ? 'warn' : 'pass'
}

const MARKS = { pass: 'ok', warn: 'WARN', fail: 'FAIL', skip: '-' } as const
const STYLES = { pass: 'green', warn: 'yellow', fail: 'red', skip: 'gray' } as const

/** Column at which the findings begin. */
const INDENT = 23

/** A line for each check, what to do below it; no line is longer than `width`, unless a word is. */
export function describeResults(results: CheckResult[], { width, paint }: Screen): string {
  const lines: string[] = []
  let group = ''
  for (const result of results) {
    if (result.group !== group) lines.push(...(group === '' ? [] : ['']), paint('bold', result.group))
    group = result.group
    const mark = paint(STYLES[result.status], MARKS[result.status].padEnd(4))
    const [first = '', ...rest] = wrap(result.what, width - INDENT)
    lines.push(`  ${mark} ${result.name.padEnd(INDENT - 7)}${first}`.trimEnd())
    lines.push(...rest.map((line) => ' '.repeat(INDENT) + line))
    if ('todo' in result) {
      const [head = '', ...tail] = wrap(result.todo, width - INDENT - 2)
      lines.push(`${' '.repeat(INDENT)}→ ${head}`, ...tail.map((line) => ' '.repeat(INDENT + 2) + line))
    }
  }
  return [...lines, '', summary(results)].join('\n')
}

function summary(results: CheckResult[]): string {
  const count = (status: CheckResult['status']) => results.filter((result) => result.status === status).length
  const of = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`
  const skipped = count('skip') > 0 ? `, ${count('skip')} not looked at` : ''
  return `${of(results.length, 'check')}: ${of(count('fail'), 'failure')}, ${of(count('warn'), 'warning')}${skipped}.`
}
