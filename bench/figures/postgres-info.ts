// What the server tells of a schema and of the database, by a connection that is there for no longer than that.
import { Client } from 'pg'
import { databaseOf } from '../systems/system.ts'
import { args } from './support.ts'

/** The first row of an answer, as numbers. `$1` is the schema, where it is asked about. */
export async function postgresInfo(sql: string, broker = args.broker ?? ''): Promise<readonly number[]> {
  const { connectionString, schema } = databaseOf(broker)
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<string[]>({
      text: sql,
      values: sql.includes('$1') ? [schema] : [],
      rowMode: 'array',
    })
    return (rows[0] ?? []).map(Number)
  } finally {
    await client.end()
  }
}

/** Bytes of all tables of the schema, with their indexes and long values. */
export async function schemaBytes(): Promise<number> {
  const [bytes = Number.NaN] = await postgresInfo(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'm')`,
  )
  return bytes
}

/** Row versions that are dead in the tables of the schema, and how many have died at all. */
export async function deadRows(): Promise<{ readonly left: number; readonly made: number }> {
  const [left = Number.NaN, made = Number.NaN] = await postgresInfo(
    `SELECT coalesce(sum(n_dead_tup), 0), coalesce(sum(n_tup_upd + n_tup_del), 0)
     FROM pg_stat_user_tables WHERE schemaname = $1`,
  )
  return { left, made }
}

export async function transactions(): Promise<number> {
  const [count = Number.NaN] = await postgresInfo(
    'SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()',
  )
  return count
}
