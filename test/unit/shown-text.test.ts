import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shownArgument, shownLine, shownLines } from '../../src/cli/shown-text.js'

const HASH = 'kQ2s_secret-hash-that-nobody-may-use'
const LINK = `https://blog.example.com/user/reset/1/1795214768/${HASH}/login`

describe('what is shown of logs and outputs', () => {
  test('has neither login links nor passwords, and no control characters', () => {
    assert.equal(shownLine(`go to ${LINK} now`), 'go to https://blog.example.com/user/reset/… now')
    assert.equal(shownLine('https://blog.example.com/abc/login'), 'https://blog.example.com/…/login')
    assert.equal(shownLine('clone https://me:pass@word@git.example.com/x'), 'clone https://…:…@git.example.com/x')
    assert.equal(shownLine('\u001b[31ma\tb\u0007\u001b[0m  '), 'a  b')
    assert.equal(shownLine(`https://a:\u001b[1mpass\u001b[0m@b.example`), 'https://…:…@b.example')
  })

  test('is cut only after it has been looked at', () => {
    const line = `${'x'.repeat(3_990)} https://user:${HASH}@example.com/`
    const shown = shownLine(line)
    assert.equal(shown.length, 4_001)
    assert.doesNotMatch(shown, /kQ2s/)
  })

  test('has no secret either that drush broke into two lines', () => {
    for (const width of [60, 69, 77, 80]) {
      for (const text of [
        `Login link: ${LINK}`,
        `${'word '.repeat(9)}mysql://shop:${HASH}-${HASH}@db.example.com/shop`,
      ]) {
        const broken: string[] = []
        for (let start = 0; start < text.length; start += width) broken.push(text.slice(start, start + width))
        broken[0] = `${broken[0]}       [ok]`
        const shown = shownLines([...broken, 'Done.'].join('\n'))
        assert.doesNotMatch(shown.join('\n'), /secret|nobody|may-use|kQ2/, `${width}: ${shown.join('\n')}`)
      }
    }
  })

  test('masks nothing besides', () => {
    const lines = [
      'Visiting https://blog.example.com/some/path/that/is/longer/than/a/line/is',
      'next',
      `Login link of the site: ${LINK}`,
      'Done.',
      'Listening at http://a-host-with-a-rather-long-name.example.com:8080',
      'next',
    ]
    assert.deepEqual(shownLines(lines.join('\n')), [
      ...lines.slice(0, 2),
      'Login link of the site: https://blog.example.com/user/reset/…',
      ...lines.slice(3),
    ])
  })
})

test('arguments are masked by name and by value', () => {
  for (const name of ['admin_password', 'db_passwd', 'API_KEY', 'auth_token', 'clientSecret', 'credentials']) {
    assert.equal(shownArgument(name, 'x'), '********', name)
  }
  assert.equal(shownArgument('password', ''), '')
  assert.equal(shownArgument('new_uri', 'shop.example.com'), 'shop.example.com')
  assert.equal(shownArgument('url', `${LINK}\nnext`), 'https://blog.example.com/user/reset/… next')
})
