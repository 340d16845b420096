// `skynet queued` as no operator can have it: with a clock that runs faster by the factor SANDBOX_CLOCK_SPEED (hours of
// waiting pass in seconds) from SANDBOX_CLOCK_ORIGIN on (milliseconds since 1970; its own start unless given), that is
// set by the milliseconds in the file SANDBOX_CLOCK_SET, and whose waits never end while the file SANDBOX_CLOCK_STOP
// exists; and with the limits in SANDBOX_LIMITS, JSON, in place of the daemon's own.
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { queued } from '../../dist/cli/queued.js'
import { DAEMON_LIMITS } from '../../dist/daemon/daemon-options.js'

const {
  SANDBOX_CLOCK_SPEED,
  SANDBOX_CLOCK_ORIGIN,
  SANDBOX_CLOCK_SET,
  SANDBOX_CLOCK_STOP,
  SANDBOX_GC,
  SANDBOX_LIMITS,
  ...environment
} = process.env
const speed = Number(SANDBOX_CLOCK_SPEED ?? 1)
const began = { now: Number(SANDBOX_CLOCK_ORIGIN ?? Date.now()), monotonic: performance.now() }
const setBy = () =>
  SANDBOX_CLOCK_SET && existsSync(SANDBOX_CLOCK_SET) ? Number(readFileSync(SANDBOX_CLOCK_SET, 'utf8')) : 0
const stopped = () => SANDBOX_CLOCK_STOP && existsSync(SANDBOX_CLOCK_STOP)
const clock = {
  now: () => began.now + (Date.now() - began.now) * speed + setBy(),
  monotonic: () => began.monotonic + (performance.now() - began.monotonic) * speed,
  pause: (ms, signal) =>
    stopped() ? new Promise(() => undefined) : delay(ms / speed, undefined, { signal }).catch(() => undefined),
}
// With SANDBOX_GC, WINCH throws the garbage away, so that memory can be compared.
if (SANDBOX_GC) process.on('SIGWINCH', () => globalThis.gc())
const flag = (name) => process.argv.includes(name)
try {
  process.exitCode = await queued(
    { once: flag('--once'), wait: flag('--wait'), standby: !flag('--no-standby'), set: [] },
    { version: 'fast', environment },
    clock,
    { ...DAEMON_LIMITS, ...JSON.parse(SANDBOX_LIMITS ?? '{}') },
  )
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exitStatus ?? 1
}
