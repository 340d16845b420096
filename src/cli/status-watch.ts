import { setTimeout as wait } from 'node:timers/promises'
import type { ReadStream, WriteStream } from 'node:tty'
import { SkynetError } from '../config/skynet-error.js'
import type { Status } from '../daemon/status.js'
import { FullScreen } from './full-screen.js'
import { wrap } from './screen.js'

/** How often the daemon is asked, in milliseconds. */
const INTERVAL = 1_000

const QUIT = new Set(['q', 'Q', 'ctrl-c'])
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface WatchOptions {
  /** undefined: there is no keyboard; a signal ends the watch. */
  input: ReadStream | undefined
  output: WriteStream
  ask: (signal: AbortSignal) => Promise<Status>
  /** The lines of a status, each no wider than `width`. */
  describe: (status: Status, width: number) => string[]
}

/**
 * Shows the status on the whole terminal until somebody ends it, and goes on showing while the daemon is away.
 * @throws SkynetError when there is no daemon to begin with
 */
export async function watchStatus({ input, output, ask, describe }: WatchOptions): Promise<void> {
  const stop = new AbortController()
  const end = () => stop.abort()
  let seen = await ask(stop.signal)
  let lost: SkynetError | undefined
  const screen = new FullScreen(input, output, {
    key: (key) => {
      if (QUIT.has(key)) end()
    },
    resized: () => draw(),
  })
  const draw = () => {
    const width = screen.size.columns - 1
    const warning = lost ? [...wrap(lost.message, width), ...wrap(lost.remedy ?? '', width), ''] : []
    screen.draw([...warning, ...describe(seen, width), '', 'q ends this.'])
  }
  for (const signal of SIGNALS) process.on(signal, end)
  screen.open()
  try {
    while (!stop.signal.aborted) {
      draw()
      await wait(INTERVAL, undefined, { signal: stop.signal })
      try {
        seen = await ask(stop.signal)
        lost = undefined
      } catch (error) {
        if (!(error instanceof SkynetError)) throw error
        lost = error
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    screen.close()
    for (const signal of SIGNALS) process.off(signal, end)
  }
}
