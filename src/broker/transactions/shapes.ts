// What a user may hand in as `tx`: the transaction object of the library that the application uses, as it is. Only what
// tells it from others and what is called is written down, so that no library has to be installed for its types.

/**
 * node-postgres (`Client`, `PoolClient`) after BEGIN, TypeORM's manager in a transaction, and anything else with such a
 * `query`. A pool and a data source are none.
 */
interface QueryTransaction {
  query(text: string, values: unknown[]): PromiseLike<unknown>
  readonly totalCount?: never
  readonly createQueryRunner?: never
}

/** postgres.js: what `sql.begin` and `savepoint` hand to their function. */
interface PostgresJsTransaction {
  unsafe(text: string, values: never): PromiseLike<unknown>
  savepoint(work: never): unknown
}

/** Drizzle: what `db.transaction` hands to its function. */
interface DrizzleTransaction {
  execute(query: never): PromiseLike<unknown>
  rollback(): never
}

/** Kysely: what `db.transaction().execute` hands to its function, and a controlled transaction. */
interface KyselyTransaction {
  readonly isTransaction: true
  executeQuery(query: never): Promise<{ readonly rows: unknown[] }>
}

/** Knex: what `knex.transaction` hands to its function. */
interface KnexTransaction {
  readonly isTransaction?: boolean
  isCompleted(): boolean
  raw(text: string, values: never): PromiseLike<unknown>
}

/** Prisma: what an interactive `$transaction` hands to its function. */
interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: never): PromiseLike<unknown>
  readonly $connect?: never
}

/** node:sqlite `DatabaseSync` after BEGIN. */
interface NodeSqliteTransaction {
  readonly isTransaction: boolean
  exec(text: string): void
  prepare(text: string): object
}

/** better-sqlite3 `Database` after BEGIN. */
interface BetterSqliteTransaction {
  readonly inTransaction: boolean
  exec(text: string): unknown
  prepare(text: string): object
}

/** An open transaction on the database in which the jobs are kept, as the user's library has it. */
export type Transaction =
  | QueryTransaction
  | PostgresJsTransaction
  | DrizzleTransaction
  | KyselyTransaction
  | KnexTransaction
  | PrismaTransaction
  | NodeSqliteTransaction
  | BetterSqliteTransaction
