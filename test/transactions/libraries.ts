// The libraries whose transactions are joined, each with the real one: how a transaction is run with it, and what looks
// like one and is none.
import { drizzle as drizzleOnPg, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPostgresJs, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import createKnex, { type Knex } from 'knex'
import { CompiledQuery, Kysely, type Transaction as KyselyTransaction, PostgresDialect } from 'kysely'
import type { Transaction } from 'offstage'
import pg from 'pg'
import createPostgresJs, { type TransactionSql } from 'postgres'
import { type PrismaTransactionClient, prismaClient } from './prisma.ts'

export interface Library {
  readonly name: string
  /** Commits when the work resolves, rolls back when it rejects. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** A statement of the application's own. */
  run(tx: Transaction, statement: string): Promise<unknown>
  /** What is no transaction, and could be taken for one. */
  readonly roots: { readonly [name: string]: unknown }
  close(): Promise<unknown>
}

export function libraries(url: string): Library[] {
  return [
    nodePostgres(url),
    postgresJs(url),
    drizzleNodePostgres(url),
    drizzlePostgresJs(url),
    kysely(url),
    knex(url),
    prisma(url),
  ]
}

function nodePostgres(connectionString: string): Library {
  const pool = new pg.Pool({ connectionString, max: 4 })
  return {
    name: 'node-postgres',
    run: async (tx, statement) => (tx as pg.PoolClient).query(statement),
    roots: { 'a pool': pool },
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const result = await work(client)
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

function postgresJs(url: string): Library {
  const sql = createPostgresJs(url, { max: 4, onnotice: () => undefined })
  return {
    name: 'postgres.js',
    run: async (tx, statement) => (tx as TransactionSql).unsafe(statement),
    roots: { 'the root': sql },
    transaction: async (work) => {
      const [result] = (await sql.begin(async (tx) => [await work(tx)])) as [never]
      return result
    },
    close: () => sql.end(),
  }
}

function drizzleNodePostgres(connectionString: string): Library {
  const pool = new pg.Pool({ connectionString, max: 4 })
  const db = drizzleOnPg(pool)
  return {
    name: 'Drizzle on node-postgres',
    run: async (tx, statement) => (tx as unknown as NodePgDatabase).execute(statement),
    roots: { 'the database': db },
    transaction: (work) => db.transaction((tx) => work(tx)),
    close: () => pool.end(),
  }
}

function drizzlePostgresJs(url: string): Library {
  const sql = createPostgresJs(url, { max: 4, onnotice: () => undefined })
  const db = drizzleOnPostgresJs(sql)
  return {
    name: 'Drizzle on postgres.js',
    run: async (tx, statement) => (tx as unknown as PostgresJsDatabase).execute(statement),
    roots: { 'the database': db },
    transaction: (work) => db.transaction((tx) => work(tx)),
    close: () => sql.end(),
  }
}

function kysely(connectionString: string): Library {
  const pool = new pg.Pool({ connectionString, max: 4 })
  const db = new Kysely<object>({ dialect: new PostgresDialect({ pool }) })
  return {
    name: 'Kysely',
    run: async (tx, statement) =>
      (tx as KyselyTransaction<object>).executeQuery(CompiledQuery.raw(statement)),
    roots: { 'the instance': db },
    transaction: (work) => db.transaction().execute((tx) => work(tx)),
    close: () => db.destroy(),
  }
}

function knex(connection: string): Library {
  const db = createKnex({ client: 'pg', connection, pool: { min: 0, max: 4 } })
  return {
    name: 'Knex',
    run: async (tx, statement) => (tx as Knex.Transaction).raw(statement),
    roots: { 'the root': db },
    transaction: (work) => db.transaction((tx) => work(tx)),
    close: () => db.destroy(),
  }
}

function prisma(url: string): Library {
  const client = prismaClient(url)
  return {
    name: 'Prisma',
    run: async (tx, statement) => (tx as PrismaTransactionClient).$executeRawUnsafe(statement),
    roots: { 'the client': client },
    transaction: (work) => client.$transaction((tx) => work(tx)),
    close: () => client.$disconnect(),
  }
}
