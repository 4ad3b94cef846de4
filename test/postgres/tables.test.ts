// The tables in the docs are those of the schema, each with its row, and so are the indexes.
import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { expect } from 'vitest'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import { freshSchema, postgresTest } from '../support/postgres-tests.ts'
import { postgresUrl } from '../support/servers.ts'

const page = readFileSync(new URL('../../docs/brokers/postgres.md', import.meta.url), 'utf8')

/** The names in the first column of the table whose first title that is. */
function named(title: string): string[] {
  const [, rows = ''] = new RegExp(`\\n\\| ${title} \\|.*\\n\\|[-|]+\\n((?:\\|.*\\n)+)`).exec(page) ?? []
  return rows
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
}

postgresTest('every table and every index has its row in the docs, and no other has', async () => {
  const schema = freshSchema()
  const broker = postgres({ ...parseUrl(postgresUrl), schema })
  const client = new Client({ connectionString: postgresUrl })
  await Promise.all([broker.open(), client.connect()])
  try {
    const tables = await client.query<{ name: string }>(
      'SELECT tablename AS name FROM pg_tables WHERE schemaname = $1',
      [schema],
    )
    expect(named('table').sort()).toEqual(tables.rows.map(({ name }) => name).sort())
    const indexes = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE c.relnamespace = $1::regnamespace
         AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)`,
      [schema],
    )
    expect(named('index').sort()).toEqual(indexes.rows.map(({ name }) => name).sort())
  } finally {
    await Promise.all([broker.close(), client.end()])
  }
})
