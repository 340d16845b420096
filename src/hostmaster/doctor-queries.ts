import { DatabaseError, type DatabaseConnection } from './connection.js'
import { readPhpScalar, type PhpScalar } from './php-value.js'
import { QUEUE_LOCK_ROW } from './queue-lock-row.js'

/** What Skynet writes, each as a statement that touches no row: the server checks the right all the same. */
const WRITES: Record<string, string> = {
  'INSERT on semaphore':
    'INSERT INTO semaphore (name, value, expire) SELECT name, value, expire FROM semaphore WHERE FALSE',
  'UPDATE on semaphore': 'UPDATE semaphore SET expire = 0 WHERE FALSE',
  'DELETE on semaphore': 'DELETE FROM semaphore WHERE FALSE',
  'UPDATE on hosting_task': 'UPDATE hosting_task SET task_status = 2 WHERE FALSE',
  'INSERT on hosting_task_log': `INSERT INTO hosting_task_log (vid, nid, type, message, error, timestamp)
    SELECT vid, nid, type, message, error, timestamp FROM hosting_task_log WHERE FALSE`,
  'INSERT on variable': 'INSERT INTO variable (name, value) SELECT name, value FROM variable WHERE FALSE',
  'UPDATE on variable': 'UPDATE variable SET value = value WHERE FALSE',
  'DELETE on cache_bootstrap': 'DELETE FROM cache_bootstrap WHERE FALSE',
}

/** The rights that are missing, each with the server's words. @throws DatabaseError when the connection is lost */
export async function missingRights(connection: DatabaseConnection): Promise<{ right: string; message: string }[]> {
  const missing: { right: string; message: string }[] = []
  for (const [right, statement] of Object.entries(WRITES)) {
    try {
      await connection.change(statement)
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault.kind === 'lost') throw error
      missing.push({ right, message: error.fault.message })
    }
  }
  return missing
}

/** The server's clock, in milliseconds since 1970, and its name and version. */
export async function readServer(connection: DatabaseConnection): Promise<{ now: number; version: string }> {
  const rows = await connection.rows<{ now: number; version: string }>(
    'SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS DOUBLE) AS now, VERSION() AS version',
  )
  return rows[0] ?? { now: 0, version: '' }
}

/** A module as Drupal's table `system` knows it. */
export interface ModuleRow {
  name: string
  /** Of the .module file, below Drupal's root. */
  filename: string
  enabled: boolean
  /** -1: never installed. */
  schema: number
}

/** The modules of these names; undefined where the table is not there or not for us to read. */
export async function readModules(connection: DatabaseConnection, names: string[]): Promise<ModuleRow[] | undefined> {
  const marks = names.map(() => '?').join(', ')
  const rows = await ifReadable(() =>
    connection.rows<{ name: string; filename: string; status: number; schema: number }>(
      `SELECT s.name, s.filename, s.status, s.schema_version AS \`schema\` FROM \`system\` s
        WHERE s.type = 'module' AND s.name IN (${marks})`,
      names,
    ),
  )
  return rows?.map(({ name, filename, status, schema }) => ({ name, filename, enabled: status === 1, schema }))
}

/** Whether the module's table, which the daemon writes its row into, is there. */
export async function hasDaemonTable(connection: DatabaseConnection): Promise<boolean> {
  const rows = await ifReadable(() => connection.rows('SELECT 1 AS found FROM hosting_skynet_daemon LIMIT 1'))
  return rows !== undefined
}

/** Scalar variables of Drupal's; those that are absent, or hold something else, are missing. */
export async function readScalars(connection: DatabaseConnection, names: string[]): Promise<Map<string, PhpScalar>> {
  const marks = names.map(() => '?').join(', ')
  const rows = await connection.rows<{ name: string; value: Buffer }>(
    `SELECT v.name, v.value FROM variable v WHERE v.name IN (${marks})`,
    names,
  )
  return new Map(
    rows.flatMap(({ name, value }) => {
      const scalar = readPhpScalar(value.toString())
      return scalar === undefined ? [] : [[name, scalar] as const]
    }),
  )
}

/** Drupal's lock of the task queue; `expire` in seconds since 1970. */
export async function readQueueLock(
  connection: DatabaseConnection,
): Promise<{ value: string; expire: number } | undefined> {
  const rows = await connection.rows<{ value: string; expire: number }>(
    `SELECT value, expire FROM semaphore WHERE name = '${QUEUE_LOCK_ROW}'`,
  )
  return rows[0]
}

/** Where each site stands on its platform's web server. */
export interface SitePlace {
  nid: number
  uri: string
  /** Drupal's root. */
  root: string
}

/** Status of a site that Aegir has deleted. */
const SITE_DELETED = -2

export async function readSitePlaces(connection: DatabaseConnection): Promise<SitePlace[]> {
  return connection.rows<SitePlace>(
    `SELECT s.nid, n.title AS uri, LEFT(p.publish_path, 1024) AS root FROM hosting_site s
      JOIN node n ON n.vid = s.vid AND n.nid = s.nid
      JOIN node pn ON pn.nid = s.platform
      JOIN hosting_platform p ON p.vid = pn.vid AND p.nid = pn.nid
      WHERE s.status <> ${SITE_DELETED} AND p.publish_path IS NOT NULL`,
  )
}

/** Drupal's root of the hostmaster site; undefined where nothing says so. */
export async function readHostmasterRoot(connection: DatabaseConnection): Promise<string | undefined> {
  const rows = await connection.rows<{ root: string | null }>(
    `SELECT LEFT(p.publish_path, 1024) AS root FROM hosting_context c
      JOIN node n ON n.nid = c.nid
      JOIN hosting_site s ON s.vid = n.vid AND s.nid = n.nid
      JOIN node pn ON pn.nid = s.platform
      JOIN hosting_platform p ON p.vid = pn.vid AND p.nid = pn.nid
      WHERE c.name = 'hostmaster'`,
  )
  return rows[0]?.root ?? undefined
}

/** The commands by which provision makes the web servers read their configuration again. */
export async function readRestartCommands(connection: DatabaseConnection): Promise<string[]> {
  const rows = await connection.rows<{ command: string }>(
    `SELECT DISTINCT LEFT(s.restart_cmd, 1024) AS command FROM hosting_service s
      JOIN node n ON n.vid = s.vid AND n.nid = s.nid
      WHERE s.service = 'http' AND s.restart_cmd IS NOT NULL AND s.restart_cmd <> ''`,
  )
  return rows.map(({ command }) => command)
}

const NOT_READABLE = new Set(['ER_NO_SUCH_TABLE', 'ER_TABLEACCESS_DENIED_ERROR', 'ER_BAD_FIELD_ERROR'])

async function ifReadable<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof DatabaseError && NOT_READABLE.has(error.fault.code)) return undefined
    throw error
  }
}
