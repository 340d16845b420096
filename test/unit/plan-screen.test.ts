import { test } from 'node:test'
import { planLines } from '../../src/cli/plan.js'
import { newScreen } from '../../src/cli/screen.js'
import { GOLDEN_WIDTHS, assertGolden } from '../sandbox/golden.js'

const task = (nid: number, type: string, object: string) => ({ nid, type, object })

for (const width of GOLDEN_WIDTHS) {
  test(`the plan, ${width} columns wide`, () => {
    const lines = planLines(
      {
        slots: 4,
        paused:
          'The queue is paused by anna since 2026-11-21T02:00:00Z (database maintenance, until the copy is through).',
        isDaemonDown: true,
        running: [task(141, 'migrate', 'shop.example.com')],
        start: [task(150, 'backup', 'wiki.example.net'), task(151, 'verify', '東京.example.com')],
        waiting: [
          {
            ...task(152, 'verify', 'shop.example.com'),
            reason: 'It waits behind migrate task 141 of shop.example.com, which is running on the same object.',
          },
          { ...task(153, 'verify', 'blog.example.com'), reason: 'It is parked.' },
        ],
        estimates: [{ slots: 1, seconds: 7_300 }, { slots: 4 }],
      },
      newScreen(width, false),
    )
    assertGolden(`plan-${width}`, `${lines.join('\n')}\n`)
  })
}
