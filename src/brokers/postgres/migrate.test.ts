// Proves the migrations: from nothing, by several at once, from a script, beside a newer version, and what is refused.
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type PostgresServer, startPgbouncer, startPostgres } from '../../../test/support/postgres-server.ts'
import {
  freshSchema,
  hasPgbouncer,
  hasPostgresServer,
  postgresTest,
} from '../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../test/support/servers.ts'
import { OffstageError } from '../../errors/error.ts'
import { request, spec, succeeded } from '../../laws/factories.ts'
import type { Session } from './client/client.ts'
import { migrate, migrationSql, SCHEMA_VERSION } from './migrate.ts'
import { type PostgresOptions, postgres } from './postgres.ts'
import { parseUrl } from './url.ts'

async function query(text: string, values: readonly unknown[] = []): Promise<unknown[][]> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    // Without parameters it may hold several statements.
    if (values.length === 0) await client.query(text)
    const given = values.length === 0 ? undefined : [...values]
    const { rows } =
      given === undefined ? { rows: [] } : await client.query({ text, values: given, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

/** Tables, columns, indexes and functions, by name. */
async function objects(schema: string): Promise<unknown> {
  const quoted = `"${schema.replaceAll('"', '""')}"`
  const rows = await query(
    `SELECT 'column', table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = $1
     UNION ALL SELECT 'index', indexname FROM pg_indexes WHERE schemaname = $1
     UNION ALL SELECT 'function', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname = $1
     ORDER BY 1, 2`,
    [schema],
  )
  return rows.map(
    ([kind, name]) => `${kind} ${String(name).replaceAll(`${quoted}.`, '').replaceAll(`${schema}.`, '')}`,
  )
}

async function using<T>(
  options: Partial<PostgresOptions> & { readonly schema: string },
  work: (broker: ReturnType<typeof postgres>) => Promise<T>,
): Promise<T> {
  const broker = postgres({ ...parseUrl(postgresUrl), ...options })
  try {
    return await work(broker)
  } finally {
    await broker.close()
  }
}

test('is tried again where somebody who works is in the way, and not for ever', async () => {
  const inTheWay = (state: string): OffstageError =>
    new OffstageError('BROKER_UNAVAILABLE', 'deadlock detected', { details: { state } })
  const target = { schema: 'mine', namespace: 'default' }
  const session = (failures: number, state: string): Session & { readonly scripts: string[] } => {
    const scripts: string[] = []
    return {
      scripts,
      run: async () => [],
      script: async (text) => {
        scripts.push(text)
        if (text.includes('CREATE TABLE') && scripts.filter((one) => one === text).length <= failures)
          throw inTheWay(state)
      },
    }
  }
  const patient = session(2, '40P01')
  expect(await migrate(patient, target)).toMatchObject({ version: 0 })
  expect(patient.scripts.map((text) => text.split(' ')[0])).toEqual([
    ...['BEGIN', 'SET', 'ROLLBACK', 'BEGIN', 'SET', 'ROLLBACK', 'BEGIN', 'SET', 'COMMIT'],
  ])
  for (const [failures, state] of [
    [100, '55P03'],
    [1, '53100'],
  ] as const)
    await expect(migrate(session(failures, state), target)).rejects.toMatchObject({ details: { state } })
})

postgresTest('from nothing: what is pending, what was applied, and then nothing', async () => {
  const schema = freshSchema()
  await using({ schema }, async (broker) => {
    const before = await broker.storeState()
    expect(before).toMatchObject({ version: 0, readableBy: 0, latest: SCHEMA_VERSION })
    expect(before.location).toContain(schema)
    expect(before.pending[0]).toEqual({ version: 1, name: 'first' })
    expect(before.pending).toHaveLength(SCHEMA_VERSION)
    expect(await query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).toEqual([])
    expect(await broker.migrateStore()).toEqual(before)
    expect(await broker.migrateStore()).toMatchObject({ version: SCHEMA_VERSION, readableBy: 1, pending: [] })
    await broker.open()
  })
})

postgresTest.each([
  ['as usual', undefined],
  ['in a database of serializable transactions', '-c default_transaction_isolation=serializable'],
])('several at once, %s: it is done once', async (_, sessionOptions) => {
  const schema = freshSchema()
  const all = Array.from({ length: 6 }, () => using({ schema, sessionOptions }, (broker) => broker.open()))
  await Promise.all(all)
  await using({ schema }, async (broker) => {
    expect(await broker.storeState()).toMatchObject({ version: SCHEMA_VERSION, pending: [] })
  })
})

postgresTest('the script makes what opening makes, under a name of any kind', async () => {
  const name = `it's "$&" $1 ${freshSchema().slice(0, 20)}`
  const opened = freshSchema()
  try {
    await using({ schema: opened }, (broker) => broker.open())
    await using({ schema: name }, async (broker) => {
      await query(broker.migrationSql(0))
      expect(await broker.storeState()).toMatchObject({ version: SCHEMA_VERSION, pending: [] })
      await broker.open()
      await broker.enqueue([[spec({ id: 'job' })]])
      expect(await broker.get(['job'])).toMatchObject([{ id: 'job' }])
      await expect(query(broker.migrationSql(0))).rejects.toThrow('already; the jobs need one')
    })
    expect(await objects(name)).toEqual(await objects(opened))
  } finally {
    await query(`DROP SCHEMA IF EXISTS "${name.replaceAll('"', '""')}" CASCADE`)
  }
})

test('a script from the latest version is empty, and there is none from a later one', () => {
  const target = { schema: 'offstage', namespace: 'default' }
  expect(migrationSql(target, SCHEMA_VERSION)).toBe('')
  expect(() => migrationSql(target, SCHEMA_VERSION + 1)).toThrowError(
    expect.objectContaining({ code: 'OPTION_INVALID' }),
  )
})

postgresTest('without leave to migrate a store that is missing or older is refused', async () => {
  const schema = freshSchema()
  const refused = { code: 'STORE_TOO_OLD', message: expect.stringContaining("run 'offstage migrate'") }
  await using({ schema, migrate: false }, (broker) => expect(broker.open()).rejects.toMatchObject(refused))
  expect(await query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).toEqual([])
  await using({ schema }, (broker) => broker.migrateStore())
  await using({ schema, migrate: false }, (broker) => broker.open())
  await query(`UPDATE ${schema}.meta SET value = '0' WHERE key = 'version'`)
  await using({ schema, migrate: false }, (broker) => expect(broker.open()).rejects.toMatchObject(refused))
})

postgresTest('a newer store is used where it says that it may be, and refused otherwise', async () => {
  const schema = freshSchema()
  await using({ schema }, (broker) => broker.open())
  await query(`UPDATE ${schema}.meta SET value = '99' WHERE key = 'version'`)
  await using({ schema }, async (broker) => {
    await broker.open()
    expect(await broker.migrateStore()).toMatchObject({ version: 99, readableBy: 1, pending: [] })
    await broker.enqueue([[spec({ id: 'job' })]])
  })
  await query(`UPDATE ${schema}.meta SET value = '99' WHERE key = 'readable_by'`)
  const refused = { code: 'STORE_TOO_NEW', message: expect.stringContaining('Update the library') }
  await using({ schema }, async (broker) => {
    await expect(broker.open()).rejects.toMatchObject(refused)
    await expect(broker.storeState()).rejects.toMatchObject(refused)
    await expect(broker.migrateStore()).rejects.toMatchObject(refused)
  })
})

postgresTest('a schema holds one namespace', async () => {
  const schema = freshSchema()
  await using({ schema }, (broker) => broker.open())
  await using({ schema, namespace: 'other' }, async (broker) => {
    await expect(broker.open()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining("holds the namespace 'default'"),
    })
  })
})

postgresTest.each([
  ['a table', 'CREATE TABLE %.meta (a int)', 'meta'],
  ['a function', 'CREATE FUNCTION %.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', 'mine'],
])('a schema with %s of somebody else is left as it is', async (_, make, name) => {
  const schema = freshSchema()
  await query(`CREATE SCHEMA ${schema}; ${make.replace('%', schema)}`)
  const before = await objects(schema)
  await using({ schema }, async (broker) => {
    expect(await broker.storeState()).toMatchObject({ version: 0 })
    await expect(broker.open()).rejects.toMatchObject({
      code: 'STORE_KEY_TAKEN',
      message: expect.stringContaining(`the schema '${schema}' holds '${name}' already`),
    })
    await expect(query(broker.migrationSql(0))).rejects.toThrow('already; the jobs need one that is empty')
  })
  expect(await objects(schema)).toEqual(before)
})

/** This library with one more step. */
async function newer(): Promise<typeof import('./postgres.ts') & typeof import('./migrate.ts')> {
  vi.resetModules()
  vi.doMock('./sql.generated.ts', async (original) => {
    const { sql, migrations } = await original<typeof import('./sql.generated.ts')>()
    const more = {
      version: SCHEMA_VERSION + 1,
      name: 'more',
      sql: 'ALTER TABLE jobs ADD COLUMN later text;',
    }
    return { sql, migrations: [...migrations, more] }
  })
  const made = { ...(await import('./postgres.ts')), ...(await import('./migrate.ts')) }
  vi.doUnmock('./sql.generated.ts')
  vi.resetModules()
  return made
}

describe('the next version', () => {
  postgresTest('goes ahead while this one works, and this one works on', async () => {
    const schema = freshSchema()
    const next = await newer()
    const options = { ...parseUrl(postgresUrl), schema }
    await using({ schema }, async (old) => {
      await old.open()
      await old.enqueue([[spec({ id: 'before' })]])
      const { jobs } = await old.reserve(request())
      const later = next.postgres(options)
      expect((await later.storeState()).pending).toEqual([{ version: SCHEMA_VERSION + 1, name: 'more' }])
      await later.open()
      expect(await later.storeState()).toMatchObject({ version: SCHEMA_VERSION + 1, pending: [] })
      expect(await old.settle({ outcomes: jobs.map((job) => succeeded(job)) })).toMatchObject({
        answers: ['ok'],
      })
      await old.enqueue([[spec({ id: 'after' })]])
      expect((await later.reserve(request())).jobs.map(({ id }) => id)).toEqual(['after'])
      await later.close()
    })
    await using({ schema, migrate: false }, (old) => old.open())
  })

  postgresTest('has a script for the store as it is, and for no other', async () => {
    const schema = freshSchema()
    const next = await newer()
    await using({ schema }, (broker) => broker.open())
    const script = next.migrationSql({ schema, namespace: 'default' }, SCHEMA_VERSION)
    expect(script).not.toContain('CREATE TABLE')
    await query(script)
    await using({ schema }, async (broker) => {
      expect(await broker.storeState()).toMatchObject({ version: SCHEMA_VERSION + 1 })
    })
    await expect(query(script)).rejects.toThrow('this script is for version')
  })
})

if (hasPostgresServer()) {
  describe('the rights that it takes', () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startPostgres()
      await server.sql(
        'CREATE ROLE owner LOGIN; CREATE ROLE nobody LOGIN; CREATE SCHEMA mine AUTHORIZATION owner',
      )
    })
    afterAll(() => server.stop())

    const as = (user: string, schema: string) =>
      postgres({ ...parseUrl(server.url.replace('postgres@', `${user}@`)), schema })

    test('a schema of its own is enough for the owner', async () => {
      const broker = as('owner', 'mine')
      await broker.open()
      await broker.enqueue([[spec({ id: 'job' })]])
      expect(await broker.get(['job'])).toMatchObject([{ id: 'job' }])
      await broker.close()
    })

    test('a role that may make no schema is told what to do', async () => {
      const broker = as('nobody', 'new')
      const refused = {
        code: 'BROKER_FORBIDDEN',
        message: expect.stringMatching(/'offstage migrate'.*--sql/),
      }
      await expect(broker.open()).rejects.toMatchObject(refused)
      await expect(broker.migrateStore()).rejects.toMatchObject(refused)
      await broker.close()
    })

    test('so is one that does not own what is older', async () => {
      const owner = as('owner', 'mine')
      await owner.open()
      await owner.close()
      await server.sql('GRANT USAGE ON SCHEMA mine TO nobody; GRANT SELECT ON mine.meta TO nobody')
      const url = server.url.replace('postgres@', 'nobody@')
      const broker = (await newer()).postgres({ ...parseUrl(url), schema: 'mine' })
      await expect(broker.open()).rejects.toMatchObject({
        code: 'BROKER_FORBIDDEN',
        message: expect.stringMatching(/'mine'.*'offstage migrate'/),
      })
      await broker.close()
      await server.sql('REVOKE USAGE ON SCHEMA mine FROM nobody')
    })

    test('and one that may not look at the store', async () => {
      const broker = as('nobody', 'mine')
      await expect(broker.open()).rejects.toMatchObject({
        code: 'BROKER_FORBIDDEN',
        message: expect.stringContaining('docs/brokers/postgres.md'),
      })
      await broker.close()
    })
  })
}

if (hasPgbouncer()) {
  test('behind a pooler in transaction mode several migrate at once', async () => {
    const server = await startPostgres()
    const pooler = await startPgbouncer(server, { poolMode: 'transaction' })
    const brokers = Array.from({ length: 4 }, () => postgres(`${pooler.url}?pooler=transaction`))
    try {
      const before = await Promise.all(brokers.map((broker) => broker.migrateStore()))
      expect(before.map(({ version }) => version).sort()).toEqual([
        0,
        SCHEMA_VERSION,
        SCHEMA_VERSION,
        SCHEMA_VERSION,
      ])
      await brokers[0]?.open()
    } finally {
      await Promise.all(brokers.map((broker) => broker.close()))
      await pooler.stop()
      await server.stop()
    }
  })
}
