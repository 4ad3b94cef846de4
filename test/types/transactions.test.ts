// What may be handed in as `tx`, library by library, and what `ctx.complete` does to the type of a result. `tsc` checks
// this file; nothing of it is run but the definitions.
import type BetterSqlite3 from 'better-sqlite3'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { ControlledTransaction, Kysely, Transaction as KyselyTransaction } from 'kysely'
import { offstage, type Task, type TaskContext, type Transaction } from 'offstage'
import type pg from 'pg'
import type { Sql, TransactionSql } from 'postgres'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { PrismaClient, PrismaTransactionClient } from '../transactions/prisma.ts'

type TransactionOf<Db extends { transaction(work: never): unknown }> = Parameters<
  Parameters<Db['transaction']>[0]
>[0]

interface Schema {
  readonly notes: { readonly id: number; readonly text: string }
}

const app = offstage({ broker: 'memory:' })

test('the transaction objects of the libraries are taken as they are', () => {
  expectTypeOf<pg.PoolClient>().toExtend<Transaction>()
  expectTypeOf<pg.Client>().toExtend<Transaction>()
  expectTypeOf<TransactionSql>().toExtend<Transaction>()
  expectTypeOf<TransactionOf<NodePgDatabase>>().toExtend<Transaction>()
  expectTypeOf<TransactionOf<NodePgDatabase<{ schema: object }>>>().toExtend<Transaction>()
  expectTypeOf<TransactionOf<PostgresJsDatabase>>().toExtend<Transaction>()
  expectTypeOf<KyselyTransaction<Schema>>().toExtend<Transaction>()
  expectTypeOf<ControlledTransaction<Schema>>().toExtend<Transaction>()
  expectTypeOf<Knex.Transaction>().toExtend<Transaction>()
  expectTypeOf<PrismaTransactionClient>().toExtend<Transaction>()
  expectTypeOf<BetterSqlite3.Database>().toExtend<Transaction>()
  expectTypeOf<{
    query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
  }>().toExtend<Transaction>()
})

test('roots and pools are no transactions', () => {
  expectTypeOf<pg.Pool>().not.toExtend<Transaction>()
  expectTypeOf<Sql>().not.toExtend<Transaction>()
  expectTypeOf<NodePgDatabase>().not.toExtend<Transaction>()
  expectTypeOf<PostgresJsDatabase>().not.toExtend<Transaction>()
  expectTypeOf<Kysely<Schema>>().not.toExtend<Transaction>()
  expectTypeOf<Knex>().not.toExtend<Transaction>()
  expectTypeOf<PrismaClient>().not.toExtend<Transaction>()
  expectTypeOf<string>().not.toExtend<Transaction>()
  expectTypeOf<object>().not.toExtend<Transaction>()
})

test('options that take one', () => {
  const task = app.task({ name: 'plain', run: (n: number) => n })
  const use = (tx: pg.PoolClient) => [
    () => task.enqueue(1, { tx }),
    () => task.enqueueMany([1], { tx }),
    () => task.enqueueMany([1], () => ({ tx })),
    () => app.enqueue([task.with(1)], { tx }),
    () => app.enqueue([task.with(1, { tx })]),
    // @ts-expect-error a transaction is no text
    () => task.enqueue(1, { tx: 'tx' }),
    // @ts-expect-error together they have one transaction and nothing else
    () => app.enqueue([task.with(1)], { delay: 5 }),
  ]
  expectTypeOf(use).toBeFunction()
})

test('the result is what was passed to complete', () => {
  const work = async <T>(run: (tx: pg.PoolClient) => Promise<T>): Promise<T> => run({} as pg.PoolClient)
  const inferred = app.task({
    name: 'inferred',
    run: (_: null, ctx) => work((tx) => ctx.complete(tx, { at: new Date(), id: 5 })),
  })
  expectTypeOf(inferred).toEqualTypeOf<Task<null, { at: string; id: number }>>()
  const nothing = app.task({ name: 'nothing', run: (_: null, ctx) => work((tx) => ctx.complete(tx)) })
  expectTypeOf(nothing).toEqualTypeOf<Task<null, undefined>>()
  const output = z.object({ id: z.number() })
  app.task({ name: 'right', output, run: (_, ctx) => work((tx) => ctx.complete(tx, { id: 5 })) })
  // @ts-expect-error the output schema asks for an id
  app.task({ name: 'wrong', output, run: (_, ctx) => work((tx) => ctx.complete(tx, { name: 5 })) })
})

test('complete asks for a transaction', () => {
  const use = (ctx: TaskContext, pool: pg.Pool) => [
    // @ts-expect-error a pool is none
    () => ctx.complete(pool),
    // @ts-expect-error it has to be there
    () => ctx.complete(),
  ]
  expectTypeOf(use).toBeFunction()
})
