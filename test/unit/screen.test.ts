import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { newScreen, pad, screenOf, widthOf, wrap } from '../../src/cli/screen.js'
import { tableLines, type Cell, type Column } from '../../src/cli/table.js'

describe('the screen behind a stream', () => {
  const terminal = { isTTY: true, columns: 100 }
  const cases: [string, Parameters<typeof screenOf>, { width: number; colour: boolean }][] = [
    ['a terminal', [terminal, {}], { width: 100, colour: true }],
    ['a terminal with NO_COLOR', [terminal, { NO_COLOR: '1' }], { width: 100, colour: false }],
    ['a terminal with an empty NO_COLOR', [terminal, { NO_COLOR: '' }], { width: 100, colour: true }],
    ['a dumb terminal', [terminal, { TERM: 'dumb' }], { width: 100, colour: false }],
    ['a terminal that does not know its size', [{ isTTY: true, columns: 0 }, {}], { width: Infinity, colour: true }],
    ['a terminal, whatever COLUMNS says', [terminal, { COLUMNS: '40' }], { width: 100, colour: true }],
    ['a pipe', [{}, {}], { width: Infinity, colour: false }],
    ['a pipe with COLUMNS', [{}, { COLUMNS: '80' }], { width: 80, colour: false }],
    ['a pipe with nonsense for COLUMNS', [{}, { COLUMNS: '-5' }], { width: Infinity, colour: false }],
  ]
  for (const [what, args, expected] of cases) {
    test(what, () => {
      const { width, colour } = screenOf(...args)
      assert.deepEqual({ width, colour }, expected)
    })
  }

  test('paints only where there are colours', () => {
    assert.equal(newScreen(80, true).paint('red', 'x'), '\u001b[31mx\u001b[39m')
    assert.equal(newScreen(80, false).paint('red', 'x'), 'x')
  })
})

test('width counts columns of a terminal, not characters', () => {
  assert.deepEqual(['e\u0301', '中文', 'a'].map(widthOf), [1, 4, 1])
  assert.equal(pad('中', 4), '中  ')
  assert.equal(pad('7', 3, 'right'), '  7')
  assert.equal(pad('long', 2), 'long')
})

test('wrap breaks at blanks, leaves long words whole, and breaks nothing where there is no width', () => {
  assert.deepEqual(wrap('one  two\nthree', 8), ['one two', 'three'])
  assert.deepEqual(wrap('see /a/path/longer/than/that', 8), ['see', '/a/path/longer/than/that'])
  assert.deepEqual(wrap('one two', Infinity), ['one two'])
})

describe('a table', () => {
  const columns: Column[] = [
    { title: 'TASK', align: 'right' },
    { title: 'OBJECT', shrinkTo: 6 },
    { title: 'NOTE', shrinkTo: 4 },
  ]
  const rows: Cell[][] = [
    ['7', 'blog.example.com', 'short'],
    ['130', 'пример.example', { text: 'a longer note', style: 'red' }],
  ]

  test('is as wide as its cells, without blanks at the end of a line', () => {
    assert.deepEqual(tableLines(columns, rows, newScreen(Infinity, false)), [
      'TASK  OBJECT            NOTE',
      '   7  blog.example.com  short',
      ' 130  пример.example    a longer note',
    ])
  })

  test('is cut to the screen, the widest column first', () => {
    const lines = tableLines(columns, rows, newScreen(30, false))
    assert.deepEqual(lines, ['TASK  OBJECT       NOTE', '   7  blog.examp…  short', ' 130  пример.exa…  a longer n…'])
  })

  test('leaves what must not be cut, however narrow the screen', () => {
    assert.deepEqual(tableLines(columns, rows, newScreen(5, false))[1], '   7  blog.…  sho…')
  })

  test('paints a cell as wide as its column', () => {
    const [, , second] = tableLines(columns, rows, newScreen(30, true))
    assert.equal(second, ' 130  пример.exa…  \u001b[31ma longer n…\u001b[39m')
  })
})
