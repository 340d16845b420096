import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Random } from './random.js'
import { SCENARIOS } from './scenarios.js'
import { World, type WorldOptions } from './world.js'

/** Runs the short form of scenarios as tests, all of them in one world. */
export function shortForm(names: readonly string[], options: WorldOptions = {}): void {
  const seed = Math.floor(Math.random() * 2 ** 31)
  let world: World
  before(async () => {
    world = await World.create(options)
  })
  afterEach(() => world.reset())
  after(() => world.close())

  for (const name of names) {
    const scenario = SCENARIOS.find((each) => each.name === name)
    assert.ok(scenario, `there is a scenario ${name}`)
    test(`nothing is lost, nothing doubled: ${scenario.fault}`, async (context) => {
      context.diagnostic(`npm run chaos -- --short --only ${name} --seed ${seed}`)
      const random = new Random(seed, name)
      const { times, tasks, lost, doubled } = await scenario.run(world, { times: scenario.times.short, random })
      assert.ok(times > 0 && tasks > 0, 'something was broken')
      assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 }, `seed ${seed}`)
    })
  }
}
