import { join } from 'node:path'
import { loadConfig } from '../config/load.js'
import type { Config } from '../config/schema.js'
import { SkynetError } from '../config/skynet-error.js'
import { askDaemon } from '../daemon/control-client.js'
import type { Status } from '../daemon/status.js'
import type { DatabaseConnection } from '../hostmaster/connection.js'
import { withOpenDatabase } from './open-database.js'

/** What a verb has that reads the database itself, with what the daemon adds when it runs. */
export interface DatabaseView {
  config: Config
  connection: DatabaseConnection
  /** undefined: it does not run. */
  status: Status | undefined
}

/** Opens the database, hands it to `use`, and closes it. @throws SkynetError */
export async function withDatabase<Result>(
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
  use: (view: DatabaseView) => Promise<Result>,
): Promise<Result> {
  const { config } = await loadConfig({ file, environment })
  return withOpenDatabase(config, 'The database cannot be read', async (connection) =>
    use({ config, connection, status: await statusIfRunning(config) }),
  )
}

export const WITHOUT_DAEMON = 'The daemon does not run; this is what the database says.'

/** Says where an answer comes from that has none of the daemon's knowledge in it; data goes to standard output. */
export function sayWithoutDaemon({ status }: DatabaseView): void {
  if (status === undefined) process.stderr.write(`${WITHOUT_DAEMON}\n`)
}

async function statusIfRunning(config: Config): Promise<Status | undefined> {
  try {
    return (await askDaemon(join(config.state.dir, 'control.sock'), { verb: 'status' })) as Status
  } catch (error) {
    if (error instanceof SkynetError && error.code === 'DAEMON_UNREACHABLE') return undefined
    throw error
  }
}
