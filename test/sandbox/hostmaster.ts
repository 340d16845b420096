import { readFileSync } from 'node:fs'
import { createPool, type Connection, type Pool, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import type { DatabaseServer } from './database-server.js'
import { insertFinishedTasks, type FinishedTasks } from './finished-tasks.js'
import {
  insert,
  insertNode,
  insertRevision,
  insertTask,
  now,
  type Queryable,
  type QueuedTask,
  type TaskSpec,
} from './node-rows.js'

/** What a database client needs to reach one hostmaster's database as that hostmaster's own user. */
export interface Credentials {
  host: string
  port: number
  socket: string
  db: string
  user: string
  passwd: string
}

/** One row of `hosting_task`: a revision of a task. */
export interface TaskRow {
  vid: number
  nid: number
  task_type: string | null
  task_status: number | null
  rid: number
  executed: number | null
  delta: number | null
}

export interface LogRow {
  vid: number
  type: string
  message: string
  error: string
  timestamp: number
}

/** How long a statement may take, in milliseconds: one that never ends must fail its test, and not hang the suite. */
const LIMIT = 60_000

/** A hostmaster's database with Aegir's tables, and what puts servers, platforms, sites and tasks into it as Aegir does. */
export class Hostmaster {
  readonly credentials: Credentials
  readonly #pool: Pool
  #names = 0

  private constructor(credentials: Credentials, pool: Pool) {
    this.credentials = credentials
    this.#pool = pool
  }

  /**
   * Makes the database, its user and Aegir's tables; several may stand on one server. Unless told otherwise, its nids are
   * those of no other sandbox, with room for 20,000: Skynet looks for living tasks in the process table, and tests that
   * run at the same time share that.
   */
  static async create(
    server: DatabaseServer,
    {
      db = 'hostmaster',
      user = 'hostmaster',
      passwd = 'sandbox',
      firstNid = server.port * 20_000,
    }: { db?: string; user?: string; passwd?: string; firstNid?: number } = {},
  ): Promise<Hostmaster> {
    const root = await server.connect({ multipleStatements: true })
    try {
      await root.query('CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci', [db])
      for (const host of ['localhost', '127.0.0.1']) {
        await root.query('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [user, host, passwd])
        await root.query('GRANT ALL ON ??.* TO ?@?', [db, user, host])
      }
      await root.query('USE ??', [db])
      await root.query(readFileSync(new URL('schema.sql', import.meta.url), 'utf8'))
      await root.query('ALTER TABLE node AUTO_INCREMENT = ?', [firstNid])
    } finally {
      root.destroy()
    }
    return Hostmaster.on(server, { db, user, passwd })
  }

  /** One that stands on the server already. */
  static on(server: DatabaseServer, { db, user, passwd }: { db: string; user: string; passwd: string }): Hostmaster {
    const credentials = { host: server.host, port: server.port, socket: server.socket, db, user, passwd }
    const pool = createPool({
      socketPath: server.socket,
      user: 'root',
      database: db,
      connectionLimit: 4,
      supportBigNumbers: true,
    })
    return new Hostmaster(credentials, pool)
  }

  /** Rows of any statement, as the server's root. */
  async query<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const [rows] = await this.#pool.query<(Row & RowDataPacket)[]>({ sql, values, timeout: LIMIT })
    return rows
  }

  /** Runs any statement and tells how many rows it touched. */
  async execute(sql: string, values: unknown[] = []): Promise<number> {
    const [result] = await this.#pool.query<ResultSetHeader>({ sql, values, timeout: LIMIT })
    return result.affectedRows
  }

  /** A server; its context is `server_<name>`. */
  server({
    name = this.#name('server'),
    web = 'apache',
    db = true,
  }: { name?: string; web?: string | null; db?: boolean } = {}): Promise<number> {
    return this.transaction(async (connection) => {
      const { nid, vid } = await insertNode(connection, { type: 'server', title: name })
      await insert(connection, 'hosting_server', { vid, nid, human_name: name, verified: now(), status: 1 })
      if (web)
        await insert(connection, 'hosting_service', { vid, nid, service: 'http', type: web, port: 80, available: 1 })
      if (db) {
        await insert(connection, 'hosting_service', {
          vid,
          nid,
          service: 'db',
          type: 'mysql',
          port: 3306,
          available: 1,
        })
        await insert(connection, 'hosting_db_server', { vid, nid, db_user: 'aegir_root', db_passwd: 'x' })
      }
      await insert(connection, 'hosting_context', { nid, name: `server_${name.replace(/\W/g, '')}` })
      return nid
    })
  }

  /** A server that stands for the web servers `members`. */
  async webCluster(members: number[], name = this.#name('cluster')): Promise<number> {
    const nid = await this.server({ name, web: 'cluster', db: false })
    for (const member of members) await this.#member('hosting_web_cluster', nid, { web_server_nid: member })
    return nid
  }

  /** A server that stands for the web servers `members`, the first of them being its master. */
  async webPack(members: number[], name = this.#name('pack')): Promise<number> {
    const nid = await this.server({ name, web: 'pack', db: false })
    for (const [index, member] of members.entries()) {
      await this.#member('hosting_web_pack', nid, { web_server_nid: member, type: index === 0 ? 'master' : 'slave' })
    }
    return nid
  }

  /** A platform; its context is `platform_<name>`. */
  platform({ name = this.#name('platform'), server }: { name?: string; server: number }): Promise<number> {
    return this.transaction(async (connection) => {
      const { nid, vid } = await insertNode(connection, { type: 'platform', title: name })
      const publishPath = `/var/aegir/platforms/${name}`
      await insert(connection, 'hosting_platform', {
        vid,
        nid,
        publish_path: publishPath,
        web_server: server,
        status: 1,
      })
      await insert(connection, 'hosting_context', { nid, name: `platform_${name.replace(/\W/g, '')}` })
      return nid
    })
  }

  client({ name = this.#name('client') }: { name?: string } = {}): Promise<number> {
    return this.transaction(async (connection) => {
      const { nid, vid } = await insertNode(connection, { type: 'client', title: name })
      await insert(connection, 'hosting_client', { vid, nid, uname: name.replace(/\W/g, '') })
      return nid
    })
  }

  /** A site; its context and its title are its `uri`. */
  site(spec: { uri?: string; platform: number; dbServer: number; client?: number; context?: string }): Promise<number> {
    const uri = spec.uri ?? `${this.#name('site')}.example.com`
    return this.transaction(async (connection) => {
      const { nid, vid } = await insertNode(connection, { type: 'site', title: uri })
      await insert(connection, 'hosting_site', {
        vid,
        nid,
        client: spec.client ?? 0,
        db_server: spec.dbServer,
        db_name: uri.replace(/^www\.|\W/g, '').slice(0, 16),
        platform: spec.platform,
        verified: now(),
        status: 1,
      })
      await insert(connection, 'hosting_context', { nid, name: spec.context ?? uri })
      return nid
    })
  }

  /** Aegir's own site with the server and platform that it stands on. */
  async hostmasterSite(uri = 'aegir.example.com'): Promise<{ server: number; platform: number; site: number }> {
    const server = await this.server({ name: 'master' })
    const platform = await this.platform({ name: 'hostmaster', server })
    const site = await this.site({ uri, platform, dbServer: server, context: 'hostmaster' })
    await this.setVariable('aegir_hostmaster_site_nid', `s:${String(site).length}:"${site}";`)
    return { server, platform, site }
  }

  /** Queues a task as Aegir does, in one transaction. */
  queueTask(spec: TaskSpec): Promise<QueuedTask> {
    return this.transaction((connection) => insertTask(connection, spec))
  }

  /** Queues a task in a transaction of the caller's, who may commit it later. */
  queueTaskWithin(connection: Queryable, spec: TaskSpec): Promise<QueuedTask> {
    return insertTask(connection, spec)
  }

  /** History: each task with its superseded row of status 0 and its final one. */
  finishedTasks(count: number, options: FinishedTasks): Promise<void> {
    return this.transaction((connection) => insertFinishedTasks(connection, count, options))
  }

  /** A task that a crash left processing: no process belongs to it. */
  async stuckTask(spec: TaskSpec & { executed?: number }): Promise<QueuedTask> {
    return this.transaction(async (connection) => {
      const { nid } = await insertTask(connection, spec)
      const executed = spec.executed ?? now() - 3600
      const vid = await insertRevision(connection, nid, 'stuck', executed)
      const row = { vid, nid, task_type: spec.type, rid: spec.object, task_status: -1, executed }
      await insert(connection, 'hosting_task', row)
      await connection.query(
        'INSERT INTO hosting_task_arguments (vid, nid, name, value) SELECT ?, nid, name, value FROM hosting_task_arguments WHERE nid = ?',
        [vid, nid],
      )
      await connection.query('UPDATE node SET vid = ?, changed = ? WHERE nid = ?', [vid, executed, nid])
      return { nid, vid }
    })
  }

  /** `value` is in PHP's serialised form, such as `i:1;`. */
  async setVariable(name: string, value: string): Promise<void> {
    await this.execute('REPLACE INTO variable (name, value) VALUES (?, ?)', [name, value])
    await this.execute("DELETE FROM cache_bootstrap WHERE cid = 'variables'")
  }

  async deleteVariable(name: string): Promise<void> {
    await this.execute('DELETE FROM variable WHERE name = ?', [name])
    await this.execute("DELETE FROM cache_bootstrap WHERE cid = 'variables'")
  }

  async variable(name: string): Promise<string | undefined> {
    const [row] = await this.query<{ value: Buffer }>('SELECT value FROM variable WHERE name = ?', [name])
    return row?.value.toString()
  }

  /** Cancels a queued task as the web interface does: the same vid goes from 0 to 3; false if it was no longer queued. */
  cancel(nid: number): Promise<boolean> {
    return this.transaction(async (connection) => {
      const [result] = await connection.query<ResultSetHeader>(
        'UPDATE hosting_task t JOIN node n USING (vid) SET t.task_status = 3 WHERE n.nid = ? AND t.task_status = 0',
        [nid],
      )
      if (result.affectedRows === 0) return false
      await connection.query(
        `INSERT INTO hosting_task_log (vid, nid, type, message, error, timestamp)
         SELECT vid, nid, 'warning', 'Task was cancelled.', '', ? FROM node WHERE nid = ?`,
        [now(), nid],
      )
      return true
    })
  }

  /** Deletes a task as node_delete() does: every row of every table. */
  deleteTask(nid: number): Promise<void> {
    return this.transaction(async (connection) => {
      const tables = [
        'hosting_task',
        'hosting_task_log',
        'hosting_task_arguments',
        'node_access',
        'node_revision',
        'node',
      ]
      for (const table of tables) await connection.query('DELETE FROM ?? WHERE nid = ?', [table, nid])
    })
  }

  /** Every revision of a task, oldest first. */
  taskRows(nid: number): Promise<TaskRow[]> {
    return this.query<TaskRow>(
      'SELECT vid, nid, task_type, task_status, rid, executed, delta FROM hosting_task WHERE nid = ? ORDER BY vid',
      [nid],
    )
  }

  /** The status of the current row; undefined once the task is deleted. */
  async currentStatus(nid: number): Promise<number | null | undefined> {
    const [row] = await this.query<{ task_status: number | null }>(
      'SELECT t.task_status FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE n.nid = ?',
      [nid],
    )
    return row?.task_status
  }

  /** Log rows of a task over all its revisions, in their order. */
  log(nid: number): Promise<LogRow[]> {
    return this.query<LogRow>(
      'SELECT vid, type, message, error, timestamp FROM hosting_task_log WHERE nid = ? ORDER BY lid',
      [nid],
    )
  }

  /** Drupal's locks. */
  semaphore(): Promise<{ name: string; value: string; expire: number }[]> {
    return this.query('SELECT name, value, expire FROM semaphore ORDER BY name')
  }

  /** Runs `work` in one transaction of a connection of its own. */
  async transaction<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await this.#pool.getConnection()
    try {
      await connection.beginTransaction()
      const result = await work(connection)
      await connection.commit()
      return result
    } catch (error) {
      await connection.rollback().catch(() => undefined)
      throw error
    } finally {
      connection.release()
    }
  }

  /** Closes its connections; the database stays. */
  close(): Promise<void> {
    return this.#pool.end()
  }

  async #member(table: string, cluster: number, row: Record<string, unknown>): Promise<void> {
    await this.transaction(async (connection) => {
      const [rows] = await connection.query<RowDataPacket[]>('SELECT vid FROM node WHERE nid = ?', [cluster])
      await insert(connection, table, { vid: rows[0]?.['vid'], nid: cluster, ...row })
    })
  }

  #name(kind: string): string {
    this.#names += 1
    return `${kind}${this.#names}`
  }
}
