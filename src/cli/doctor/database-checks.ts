import { databaseAddress } from '../../daemon/database-address.js'
import { DatabaseConnection, DatabaseError } from '../../hostmaster/connection.js'
import { missingRights, readServer } from '../../hostmaster/doctor-queries.js'
import { missingTables } from '../../hostmaster/required-tables.js'
import { fail, pass, warn, type CheckGroup, type Finding } from './check.js'
import type { Examination } from './examination.js'

/** How far the clocks may be apart, in milliseconds: beyond the first a person wonders, beyond the second locks suffer. */
const NOTICEABLE = 5_000
const HARMFUL = 60_000

export function databaseChecks(exam: Examination): CheckGroup {
  return {
    title: 'Database',
    checks: [
      { name: 'database', needs: ['configuration'], run: () => database(exam) },
      { name: 'rights', needs: ['database'], run: () => rights(exam) },
      { name: 'clocks', needs: ['database'], run: () => clocks(exam) },
    ],
  }
}

async function database(exam: Examination): Promise<Finding> {
  const { config } = exam
  const { db, user } = config.database
  try {
    const address = await databaseAddress(config)
    exam.connection = await DatabaseConnection.open(address)
    const missing = await missingTables(exam.connection)
    if (missing.length > 0) {
      const todo = 'Set [database] db to that of the hostmaster site: drush @hostmaster sql-connect names it.'
      return fail(`${db} is not a hostmaster's database: it lacks ${missing.join(', ')}`, todo)
    }
    const { version } = await readServer(exam.connection)
    return pass(`${db} at ${address.socket ?? `${address.host}:${address.port}`}, ${version}`)
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    const todo =
      error.fault.kind === 'refused'
        ? 'Verify the hostmaster site, which writes [database] anew, or correct it by hand.'
        : 'Start the database server, or correct [database].'
    return fail(`${db} does not serve user ${user}: ${error.message}`, todo)
  }
}

async function rights({ connection, config }: Examination): Promise<Finding> {
  const { db, user } = config.database
  const missing = await missingRights(connection)
  const [first] = missing
  if (!first) return pass(`${user} may write all that Skynet writes`)
  const names = missing.map(({ right }) => right).join(', ')
  const todo = `As an administrator of the server: GRANT ALL ON \`${db}\`.* TO the user, or end its read-only mode.`
  return fail(`${user} cannot write: ${names} (${first.message})`, todo)
}

async function clocks({ connection, machine }: Examination): Promise<Finding> {
  const before = machine.now()
  const { now } = await readServer(connection)
  // The answer took its time too: the server's clock was read somewhere in between.
  const apart = now < before ? before - now : Math.max(0, now - machine.now())
  const todo = 'Let both machines keep their clocks by NTP: timedatectl set-ntp true'
  const what = `the database server's clock and this machine's are ${(apart / 1000).toFixed(1)} s apart`
  if (apart > HARMFUL) return fail(what, todo)
  return apart > NOTICEABLE ? warn(what, todo) : pass(what)
}
