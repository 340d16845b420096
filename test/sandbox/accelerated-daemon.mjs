// `skynet queued` with a clock that runs faster: SANDBOX_CLOCK is {"origin": …, "speed": …}, as the stand-in drush has it.
import { setTimeout as delay } from 'node:timers/promises'
import { queued } from '../../dist/cli/queued.js'

const { origin, speed } = JSON.parse(process.env.SANDBOX_CLOCK)
const clock = {
  now: () => origin * 1000 + (Date.now() - origin * 1000) * speed,
  monotonic: () => performance.now() * speed,
  pause: (ms, signal) => delay(ms / speed, undefined, { signal }).catch(() => undefined),
}
process.exitCode = await queued({ standby: true, set: [] }, { version: 'test', environment: process.env }, clock)
