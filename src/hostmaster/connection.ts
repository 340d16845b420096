import { createConnection, type Connection, type QueryError, type ResultSetHeader, type RowDataPacket } from 'mysql2'
import { faultOf, type DatabaseFault } from './database-fault.js'

/** Where the hostmaster's database is and who we are there: the `[database]` section, with the socket resolved. */
export interface DatabaseAddress {
  host: string
  port: number
  /** Path of the server's unix socket; used instead of host and port. */
  socket: string | null
  db: string
  user: string
  passwd: string
}

/** Values that a prepared statement takes here. */
export type StatementValue = string | number | null

/**
 * Statements that a connection keeps prepared, at the server and here. A list of values makes another statement for each
 * length of it, and the driver would keep thousands of them.
 */
const PREPARED_STATEMENTS = 100

/** How long the server may take, in milliseconds. A stalled connection must not stall the daemon. */
export interface DatabaseLimits {
  connect: number
  statement: number
  /** How long a transaction may wait for us at the server; whole seconds. */
  idleTransaction: number
}

/** Times that a statement, or a whole transaction, is sent that the server rolled back to end a deadlock. */
const TRIES = 3

/** What a command of the driver calls when it is done. */
type Done<Result> = (error: QueryError | null, result: Result) => void

export const DATABASE_LIMITS: DatabaseLimits = { connect: 10_000, statement: 20_000, idleTransaction: 10_000 }

/** A statement failed; `fault` says which kind of fault that is and so what the caller may do. */
export class DatabaseError extends Error {
  readonly fault: DatabaseFault

  constructor(fault: DatabaseFault, cause: unknown) {
    super(fault.message, { cause })
    this.name = 'DatabaseError'
    this.fault = fault
  }
}

/**
 * One connection, prepared statements only. It speaks to the driver's core: its promises take a stack trace with every
 * statement, which is as much work as the statement is. It never reconnects by itself: whoever holds it learns of the loss through
 * a `DatabaseError` and opens another one, because what was known through the old one has to be doubted then.
 */
export class DatabaseConnection {
  readonly #connection: Connection
  readonly #limits: DatabaseLimits
  readonly id: number
  #closed = false
  #isInTransaction = false
  #isBounded = false

  private constructor(connection: Connection, limits: DatabaseLimits) {
    this.#connection = connection
    this.#limits = limits
    this.id = connection.threadId
    // Without a listener a server that goes away while we are idle would be an uncaught 'error' event.
    connection.on('error', () => (this.#closed = true))
    connection.on('end', () => (this.#closed = true))
  }

  /** @throws DatabaseError */
  static async open(address: DatabaseAddress, limits = DATABASE_LIMITS): Promise<DatabaseConnection> {
    const connection = createConnection({
      ...(address.socket === null ? { host: address.host, port: address.port } : { socketPath: address.socket }),
      database: address.db,
      user: address.user,
      password: address.passwd,
      charset: 'UTF8MB4_UNICODE_CI',
      connectTimeout: limits.connect,
      maxPreparedStatements: PREPARED_STATEMENTS,
      // A connection that stalls without closing is noticed by the statement's limit, not by the kernel hours later.
      enableKeepAlive: true,
    })
    try {
      await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject))
    } catch (error) {
      connection.destroy()
      throw new DatabaseError(faultOf(error), error)
    }
    return new DatabaseConnection(connection, limits)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Rows of a SELECT. @param wait milliseconds that it waits at the server, as it is told to. */
  async rows<Row>(statement: string, values: StatementValue[] = [], wait = 0): Promise<Row[]> {
    const execute = (done: Done<RowDataPacket[]>) => this.#connection.execute(statement, values, done)
    return (await this.#again(() => this.#bounded(execute, wait + this.#limits.statement))) as Row[]
  }

  /** Rows that an INSERT, UPDATE or DELETE matched (FOUND_ROWS is on: a row that already had the value counts). */
  async change(statement: string, values: StatementValue[] = []): Promise<number> {
    const execute = (done: Done<ResultSetHeader>) => this.#connection.execute(statement, values, done)
    return (await this.#again(() => this.#bounded(execute, this.#limits.statement))).affectedRows
  }

  /** Runs `work` in a transaction; rolls back when it throws. `work` runs anew when a deadlock rolled it back. */
  transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#again(async () => {
      await this.#boundTransactions()
      await this.#send('START TRANSACTION')
      this.#isInTransaction = true
      try {
        const result = await work()
        await this.#send('COMMIT')
        return result
      } catch (error) {
        if (!this.#closed) {
          // Where that fails the server rolls back with the connection; the next transaction would commit what is left.
          await this.#send('ROLLBACK').catch(() => this.destroy())
        }
        throw error
      } finally {
        this.#isInTransaction = false
      }
    })
  }

  /**
   * A daemon that is frozen in the midst of a transaction would keep its rows locked for as long as the connection lives,
   * eight hours by default, and whoever leads by then could not go on. MariaDB has a limit for that since 10.3.
   */
  async #boundTransactions(): Promise<void> {
    if (this.#isBounded) return
    try {
      await this.change(`SET SESSION idle_transaction_timeout = ${this.#limits.idleTransaction / 1_000}`)
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.fault.code !== 'ER_UNKNOWN_SYSTEM_VARIABLE') throw error
    }
    this.#isBounded = true
  }

  /** Says goodbye to the server, for a second at most; idempotent. */
  async close(): Promise<void> {
    const end = (done: Done<undefined>) => this.#connection.end((error) => done(error, undefined))
    if (!this.#closed) await this.#bounded(end, 1_000).catch(() => undefined)
    this.destroy()
  }

  /** Drops the connection without a word; idempotent. */
  destroy(): void {
    this.#closed = true
    this.#connection.destroy()
  }

  /** What was rolled back as a whole is done anew at once: in a transaction that is the transaction. */
  async #again<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work()
      } catch (error) {
        const mayTryAgain = error instanceof DatabaseError && error.fault.kind === 'again' && !this.#closed
        if (!mayTryAgain || this.#isInTransaction || tries >= TRIES) throw error
      }
    }
  }

  /** A statement that cannot be prepared. */
  #send(statement: 'START TRANSACTION' | 'COMMIT' | 'ROLLBACK'): Promise<unknown> {
    const query = (done: Done<unknown>) => this.#connection.query(statement, done)
    return this.#bounded(query, this.#limits.statement)
  }

  /** The driver's own limit counts silence between packets; ours counts the whole call, and ends the connection. */
  #bounded<Result>(call: (done: Done<Result>) => void, limit: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        clearTimeout(timer)
        const fault = faultOf(error)
        if (fault.kind === 'lost') this.destroy()
        reject(new DatabaseError(fault, error))
      }
      const timer = setTimeout(() => {
        fail(Object.assign(new Error(`no answer within ${limit / 1000} s`), { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }))
      }, limit)
      try {
        call((error, result) => {
          if (error) {
            fail(error)
            return
          }
          clearTimeout(timer)
          resolve(result)
        })
      } catch (error) {
        fail(error)
      }
    })
  }
}
