import type { DatabaseConnection } from './connection.js'

export interface SiteRow {
  nid: number
  uri: string
  platform: number
  db_server: number
  client: number
}

export interface ObjectRows {
  sites: SiteRow[]
  platforms: { nid: number; web_server: number }[]
  servers: { nid: number }[]
  services: { nid: number; service: string }[]
  members: { nid: number; member: number }[]
  contexts: { nid: number; name: string }[]
  /** nid of Aegir's own site; null where nothing says so. */
  hostmaster: number | null
}

/** Sites, platforms and servers by their current revisions (`node.vid`), with the relations that locks depend on. */
export async function readObjects(connection: DatabaseConnection, hostmaster: number | null): Promise<ObjectRows> {
  const sites = await connection.rows<SiteRow>(
    `SELECT s.nid, n.title AS uri, s.platform, s.db_server, s.client
      FROM hosting_site s JOIN node n ON n.vid = s.vid AND n.nid = s.nid`,
  )
  const platforms = await connection.rows<{ nid: number; web_server: number }>(
    'SELECT p.nid, p.web_server FROM hosting_platform p JOIN node n ON n.vid = p.vid AND n.nid = p.nid',
  )
  const servers = await connection.rows<{ nid: number }>(
    'SELECT s.nid FROM hosting_server s JOIN node n ON n.vid = s.vid AND n.nid = s.nid',
  )
  const services = await connection.rows<{ nid: number; service: string }>(
    'SELECT s.nid, s.service FROM hosting_service s JOIN node n ON n.vid = s.vid AND n.nid = s.nid',
  )
  const contexts = await connection.rows<{ nid: number; name: string }>('SELECT nid, name FROM hosting_context')
  const members = await readMembers(connection)
  const named = contexts.find((context) => context.name === 'hostmaster')?.nid ?? null
  return { sites, platforms, servers, services, members, contexts, hostmaster: hostmaster ?? named }
}

/** An object as its node was last saved; `changed` in seconds since 1970. */
export interface ChangedObject {
  nid: number
  vid: number
  changed: number
}

/**
 * The sites, platforms and servers whose node was saved since (seconds since 1970), by nid. Sorted here: told to, the server
 * reads the whole of `node` in that order where many tasks were saved lately, in place of the objects or of what has changed.
 */
export async function readChangedObjects(connection: DatabaseConnection, since: number): Promise<ChangedObject[]> {
  const objects = await connection.rows<ChangedObject>(
    `SELECT nid, vid, changed FROM node WHERE changed >= ? AND type IN ('site', 'platform', 'server')`,
    [since],
  )
  return objects.sort((one, other) => one.nid - other.nid)
}

/** Which servers a cluster or pack stands for; their tables exist only where the feature is enabled. */
async function readMembers(connection: DatabaseConnection): Promise<{ nid: number; member: number }[]> {
  const tables = await connection.rows<{ name: string }>(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('hosting_web_cluster', 'hosting_web_pack')`,
  )
  const members: { nid: number; member: number }[] = []
  for (const { name } of tables) {
    // A name out of the two above, never one that came from outside.
    const rows = await connection.rows<{ nid: number; member: number }>(
      `SELECT m.nid, m.web_server_nid AS member FROM ${name} m JOIN node n ON n.vid = m.vid AND n.nid = m.nid`,
    )
    members.push(...rows)
  }
  return members
}
