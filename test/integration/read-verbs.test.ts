import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { HistoryAnswer } from '../../src/cli/history.js'
import type { TaskDetails } from '../../src/cli/show.js'
import type { ShownTask } from '../../src/cli/task-state.js'
import { GOLDEN_WIDTHS, assertGolden } from '../sandbox/golden.js'
import { assertFitsSchema, parseLines } from '../sandbox/json-schema.js'
import { configure, startLeader, stopDaemon } from '../sandbox/leader.js'
import { pastTask } from '../sandbox/past-task.js'
import { Sandbox } from '../sandbox/sandbox.js'

/** 2026-11-20 22:46:08 UTC. */
const THEN = Date.UTC(2026, 10, 20, 22, 46, 8) / 1000
const OFF = 'The daemon does not run; this is what the database says.\n'
const PASSWORD = 'correct-horse'
const RESET_LINK = 'https://blog.example.com/user/reset/1/1795214768/kQ2s_secret-hash/login'

let sandbox: Sandbox
let blog: number
let shop: number
/** Of a failed task and a stuck one. */
let nids: [failed: string, stuck: string]

before(async () => {
  sandbox = await Sandbox.create({ firstNid: 880_001 })
  configure(sandbox)
  const { hostmaster } = sandbox
  const server = await hostmaster.server({ name: 'web1' })
  const platform = await hostmaster.platform({ name: 'drupal10', server })
  blog = await hostmaster.site({ platform, dbServer: server, uri: 'blog.example.com' })
  shop = await hostmaster.site({
    platform,
    dbServer: server,
    uri: 'the-shop-with-the-longest-name-of-all-that-were-ever-thought-of.shops.example.com',
  })
  const wide = await hostmaster.site({ platform, dbServer: server, uri: '博客中文网站.example.cn' })
  await pastTask(hostmaster, {
    object: blog,
    type: 'verify',
    queued: THEN,
    waited: 2,
    took: 5,
    status: 1,
    log: [
      ['queue', 'Task starts processing.'],
      ['notice', 'Platforms path /var/aegir/platforms exists.', 1],
      ['success', 'Changed permissions of sites/blog.example.com to 755', 4],
    ],
  })
  const failed = await pastTask(hostmaster, {
    object: shop,
    type: 'migrate',
    queued: THEN + 60,
    waited: 3725,
    took: 190,
    status: 2,
    arguments: {
      target_platform: '12',
      new_uri: 'shop.example.com',
      admin_password: PASSWORD,
      source: `https://git:${PASSWORD}@git.example.com/shop.git`,
    },
    log: [
      ['queue', 'Task starts processing.'],
      ['warning', 'The archive is older than the site: what was changed since will be missing afterwards', 90],
      ['notice', `Reset link: ${RESET_LINK}`, 100],
      ['error', `Could not fetch from https://git:${PASSWORD}@git.example.com/shop.git\nexit status 128`, 190, 'FETCH'],
    ],
  })
  await pastTask(hostmaster, { object: wide, type: 'backup', queued: THEN + 120, waited: 0, took: 86_000, status: 3 })
  await pastTask(hostmaster, {
    object: blog,
    type: 'delete',
    queued: THEN + 180,
    status: 3,
    log: [['warning', 'Task was cancelled.']],
  })
  const stuck = await pastTask(hostmaster, {
    object: platform,
    type: 'verify',
    queued: THEN + 240,
    waited: 1,
    status: -1,
  })
  nids = [String(failed.nid), String(stuck.nid)]
})
after(() => sandbox.close())

async function says(args: string[], env: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  const { stdout, stderr, code } = await sandbox.skynet(args, { TZ: 'UTC', ...env })
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`)
  return { stdout, stderr }
}

async function listed(args: string[]): Promise<ShownTask[]> {
  return parseLines('tasks', (await says(['tasks', '--json', ...args])).stdout)
}

async function detailsOf(nid: number | string): Promise<TaskDetails> {
  const details = JSON.parse((await says(['show', String(nid), '--json'])).stdout) as TaskDetails
  assertFitsSchema('show', details)
  return details
}

describe('without a daemon', () => {
  for (const width of GOLDEN_WIDTHS) {
    const env = { COLUMNS: String(width) }
    const assertFits = (text: string) =>
      assert.ok(
        text.split('\n').every((line) => line.length <= width),
        `wider than ${width}:\n${text}`,
      )

    test(`tasks, show and history fit ${width} columns`, async () => {
      const [failedNid, stuckNid] = nids
      const [list, failed, stuck, past] = await Promise.all([
        says(['tasks'], env),
        says(['show', failedNid], env),
        says(['show', stuckNid], env),
        says(['history', '--since', '2026-11-20'], env),
      ])
      assertGolden(`tasks-${width}`, list.stdout)
      assertGolden(`show-failed-${width}`, failed.stdout)
      assertGolden(`show-stuck-${width}`, stuck.stdout)
      assertGolden(`history-${width}`, past.stdout)
      assertFits(list.stdout)
      assertFits(past.stdout)
      assert.deepEqual(
        [list, failed, stuck, past].map(({ stderr }) => stderr),
        [OFF, OFF, OFF, OFF],
      )
    })
  }

  test('tasks filters by status, object, type and time, and says when there are more', async () => {
    const types = async (...args: string[]) => (await listed(args)).map(({ type }) => type)
    const asked: [string[], string[]][] = [
      [['--status', 'error'], ['migrate']],
      [
        ['--status', 'warning', 'success', '--object', 'blog.example.com'],
        ['delete', 'verify'],
      ],
      [['--object', '@blog.example.com', '--type', 'verify'], ['verify']],
      [['--since', '2026-11-20T22:48Z', '--type', 'backup'], ['backup']],
      [['--since', '2026-11-20T22:49Z', '--type', 'backup'], []],
      [['--status', 'queued'], []],
    ]
    await Promise.all(
      asked.map(async ([args, expected]) => assert.deepEqual(await types(...args), expected, args.join(' '))),
    )
    const two = await says(['tasks', '-n', '2'])
    assert.equal(two.stdout.split('\n').length, 4)
    assert.equal(two.stderr, `${OFF}These are the latest 2; more with --limit, or --since.\n`)
    assert.deepEqual(await says(['tasks', '--type', 'nothing']), {
      stdout: '',
      stderr: `${OFF}There is no such task.\n`,
    })
  })

  test('tasks tells the states apart, and what a cancelled task has not', async () => {
    const all = await listed([])
    assert.deepEqual(
      all.map(({ type, state, status, waited_ms, took_ms }) => [type, state, status, waited_ms, took_ms]),
      [
        ['migrate', 'error', 'error', 3_725_000, 190_000],
        ['verify', 'stuck', 'processing', 1_000, null],
        ['delete', 'cancelled', 'warning', null, null],
        ['backup', 'warning', 'warning', 0, 86_000_000],
        ['verify', 'success', 'success', 2_000, 5_000],
      ],
    )
    assert.equal(all[3]?.queued_at, (THEN + 120) * 1000)
  })

  test('show masks what is secret, in arguments, log and JSON', async () => {
    const [nid] = nids
    for (const args of [[], ['--json']]) {
      const { stdout } = await says(['show', nid, ...args])
      assert.doesNotMatch(stdout, new RegExp(`${PASSWORD}|secret-hash`))
      assert.match(stdout, /…:…@git\.example\.com\/shop\.git/)
    }
    const details = await detailsOf(nid)
    assert.deepEqual(details.arguments, {
      admin_password: '********',
      new_uri: 'shop.example.com',
      source: 'https://…:…@git.example.com/shop.git',
      target_platform: '12',
    })
    assert.deepEqual(details.log.at(-1), {
      log_type: 'error',
      time: (THEN + 60 + 3725 + 190) * 1000,
      text: 'Could not fetch from https://…:…@git.example.com/shop.git\nexit status 128 (FETCH)',
    })
    assert.equal((await says(['show', nid, '-n', '1', '--json'])).stdout.includes('Reset link'), false)
  })

  test('history counts by type, and its JSON is as its schema says', async () => {
    const answer = JSON.parse((await says(['history', '--since', '2026-11-20', '--json'])).stdout) as HistoryAnswer
    assertFitsSchema('history', answer)
    const counts = ({ type, count, failures, warnings }: HistoryAnswer['types'][number]) => [
      type,
      count,
      failures,
      warnings,
    ]
    assert.deepEqual(answer.types.map(counts), [
      ['verify', 2, 0, 0],
      ['backup', 1, 0, 1],
      ['migrate', 1, 1, 0],
    ])
    assert.ok(answer.all)
    assert.deepEqual(counts(answer.all), ['all', 4, 1, 1])
    assert.deepEqual(answer.all.waiting, { median_ms: 1_000, p95_ms: 3_725_000 })
    const nothing = await says(['history', '--since', '0'])
    assert.equal(nothing.stdout, '')
    assert.match(nothing.stderr, /^No task was started since \d{4}-/m)
  })

  test('what is asked wrongly is answered with what to do', async () => {
    const cases: [string[], number, RegExp][] = [
      [
        ['tasks', '--object', 'nowhere.example.com'],
        1,
        /^skynet: There is no site, platform or server “nowhere\.example\.com”\.\nIt is named/,
      ],
      [['tasks', '--since', 'yesterday'], 2, /^skynet: “yesterday” is no point of time\.\nSay how long ago/],
      [['tasks', '--status', 'green'], 2, /Allowed choices are queued, processing, success, warning, error/],
      [['tasks', '-n', '0'], 2, /is not the number of tasks/],
      [['show', 'blog'], 2, /^skynet: A task is named by its nid, a number, not by “blog”/],
      [['show', '4294967295'], 1, /^skynet: There is no task 4294967295\.\nA task is named by the nid/],
      [['tail', '4294967295'], 1, /^skynet: There is no task 4294967295\./],
      [['tail', '-n', 'many'], 2, /is not the number of lines/],
      [['history', '--since', 'x'], 2, /is no point of time/],
    ]
    await Promise.all(
      cases.map(async ([args, code, message]) => {
        const result = await sandbox.skynet(args)
        assert.equal(result.code, code, args.join(' '))
        assert.match(result.stderr, message)
        assert.equal(result.stdout, '')
      }),
    )
    sandbox.writeConfig({ database: { ...sandbox.databaseSection(), port: 1 } })
    for (const verb of [['tasks'], ['show', '1'], ['tail'], ['history']]) {
      const result = await sandbox.skynet(verb)
      assert.equal(result.code, 69, verb.join(' '))
      assert.match(result.stderr, /^skynet: The database cannot be read: /)
    }
    configure(sandbox)
  })

  test('a screen that cannot have colours gets none, whatever type a log row has', async () => {
    const { stdout } = await says(['tail', nids[0]])
    assert.equal(stdout.includes('\u001b'), false)
  })
})

test('with a daemon: waiting, running and ended tasks with their runs', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  const { hostmaster } = sandbox
  const args = { sandbox_until: 'go', sandbox_print: `first line\nlogin: ${RESET_LINK}\n\u001b[31mred\n` }
  const { nid } = await hostmaster.queueTask({ object: blog, type: 'login-reset', arguments: args })
  const { nid: behind } = await hostmaster.queueTask({ object: blog, type: 'verify' })
  await sandbox.waitForStatus(nid, -1)
  await sandbox.waitFor(async () => (await detailsOf(nid)).output.length === 3, { what: 'three lines of output' })

  const states = new Map((await listed([])).map((task) => [task.nid, task.state]))
  assert.equal(states.get(nid), 'running')
  assert.equal(states.get(behind), 'waiting')

  const running = await detailsOf(nid)
  assert.match(running.why, /^It is running since /)
  assert.deepEqual(running.output, ['first line', 'login: https://blog.example.com/user/reset/…', 'red'])
  const [run] = running.runs
  assert.deepEqual([running.runs.length, run?.outcome, run?.vid, run?.exit_code], [1, 'running', running.vid, null])
  assert.ok(run?.pid)
  const text = await says(['show', String(nid)])
  assert.match(text.stdout, new RegExp(`running +process ${run.pid} +${run.run}`))
  assert.equal(text.stderr, '')
  assert.match(
    (await detailsOf(behind)).why,
    /^It waits behind login-reset task \d+ of blog\.example\.com, which is running/,
  )

  sandbox.release('go')
  await sandbox.waitForStatus(behind, 1)
  await sandbox.waitFor(async () => (await detailsOf(behind)).runs[0]?.outcome === 'success', { what: 'a settled run' })
  const ended = await detailsOf(nid)
  assert.deepEqual(ended.output, running.output)
  assert.match(ended.why, /^It was started at .* and ended with success/)
  assert.deepEqual(
    ended.runs.map(({ outcome, exit_code, signal, pid }) => ({ outcome, exit_code, signal, pid })),
    [{ outcome: 'success', exit_code: 0, signal: null, pid: null }],
  )
  const today = JSON.parse((await says(['history', '--json'])).stdout) as HistoryAnswer
  assertFitsSchema('history', today)
  assert.equal(today.types.find(({ type }) => type === 'login-reset')?.count, 1)
  await stopDaemon(daemon)
})

test('a drush that does not get to its task is a run without a revision, and what it said is shown', async (t) => {
  const daemon = await startLeader(sandbox)
  t.after(() => daemon.kill())
  const { nid } = await sandbox.hostmaster.queueTask({ object: shop, type: 'verify' })
  sandbox.configureDrush({ refuse_nids: [nid] })
  const details = await sandbox.waitFor(
    async () => {
      const found = await detailsOf(nid)
      return found.runs.some(({ outcome }) => outcome === 'not started') && found
    },
    { what: 'an attempt that did not get through', timeoutMs: 30_000 },
  )
  assert.deepEqual([details.state, details.runs[0]?.vid, details.runs[0]?.exit_code], ['waiting', null, 1])
  assert.match(details.output.join('\n'), /This task cannot be started/)
  await stopDaemon(daemon)
})
