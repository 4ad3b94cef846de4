// Each library's own transaction object is told by its shape, and takes a text to a function and back. A function that
// keeps what it was given stands in for those of the broker.
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sqlTransaction } from '../../src/broker/transactions/sql.ts'
import { codeOf } from '../../src/errors/error.ts'
import { freshSchema, hasPostgres } from '../support/postgres-tests.ts'
import { postgresUrl } from '../support/servers.ts'
import { libraries } from './libraries.ts'

const there = hasPostgres()
const schema = freshSchema()
const keep = `"${schema}"."keep?"`
const NASTY = `it's "quoted" \\ with $1, ?, ?? :name, \${x}, {{y}}, %s\nand lines \t é 名 😀 ${'x'.repeat(100_000)}`

let admin: Client
const kept = async (): Promise<unknown[]> =>
  (await admin.query(`SELECT value FROM "${schema}".kept ORDER BY at`)).rows.map(
    ({ value }) => value as unknown,
  )

beforeAll(async () => {
  if (!there) return
  admin = new Client({ connectionString: postgresUrl })
  await admin.connect()
  await admin.query(`CREATE SCHEMA "${schema}"`)
  await admin.query(`CREATE TABLE "${schema}".kept (at serial, value text)`)
  await admin.query(
    `CREATE FUNCTION "${schema}"."keep?"(p text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
      IF p = 'a secret' THEN RAISE EXCEPTION 'that is not kept'; END IF;
      INSERT INTO "${schema}".kept (value) VALUES (p);
      RETURN 'kept ' || p;
    END $$`,
  )
})
afterAll(() => admin?.end())

const codes = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: unknown) => codeOf(error),
  )

describe.each(there ? libraries(postgresUrl) : [])('$name', (library) => {
  afterAll(() => library.close())

  test('a text goes and comes back as it is, and stays with the commit', async () => {
    await admin.query(`DELETE FROM "${schema}".kept`)
    const answer = await library.transaction((tx) => sqlTransaction(tx)(keep, NASTY))
    expect(answer).toBe(`kept ${NASTY}`)
    expect(await kept()).toEqual([NASTY])
  })

  test('a rollback leaves nothing', async () => {
    await admin.query(`DELETE FROM "${schema}".kept`)
    const work = library.transaction(async (tx) => {
      await sqlTransaction(tx)(keep, 'gone')
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await kept()).toEqual([])
  })

  test('several at once take turns on the connection', async () => {
    await admin.query(`DELETE FROM "${schema}".kept`)
    await library.transaction((tx) =>
      Promise.all(Array.from({ length: 10 }, (_, n) => sqlTransaction(tx)(keep, String(n)))),
    )
    expect(await kept()).toEqual(Array.from({ length: 10 }, (_, n) => String(n)))
  })

  test('what the server refuses is told, with its error as the cause; so is every call after it', async () => {
    const found: unknown[] = []
    const work = library.transaction(async (tx) => {
      for (const value of ['a secret', 'another secret'])
        await sqlTransaction(tx)(keep, value).catch((error: unknown) => found.push(error))
      throw new Error('rolled back')
    })
    await expect(work).rejects.toThrow('rolled back')
    expect(found).toMatchObject([
      {
        code: 'TX_ABORTED',
        details: { sqlState: 'P0001' },
        message: expect.stringContaining('that is not kept'),
      },
      {
        code: 'TX_ABORTED',
        details: { sqlState: '25P02' },
        message: expect.stringContaining('before this call'),
      },
    ])
    expect(found.every((error) => !(error as Error).message.includes('secret'))).toBe(true)
    expect(found.every((error) => (error as Error).cause !== undefined)).toBe(true)
  })

  test('a database without the functions of the broker', async () => {
    for (const name of ['"nowhere"."keep?"', `"${schema}".other`]) {
      const work = library.transaction((tx) => sqlTransaction(tx)(name, 'x'))
      expect(await codes(work)).toBe('TX_INVALID')
    }
  })

  test.each(Object.entries(library.roots))('%s is refused', async (_, root) => {
    expect(() => sqlTransaction(root)).toThrow(expect.objectContaining({ code: 'TX_INVALID' }))
  })
})

describe('what else is there', () => {
  test('anything with a query that answers rows: as objects, as arrays, bare', async () => {
    for (const answer of [{ rows: [{ answer: 'a' }] }, { rows: [['a']] }, [{ answer: 'a' }]]) {
      const tx = { query: async () => answer }
      expect(await sqlTransaction(tx)('f', 'x')).toBe('a')
    }
    for (const answer of [undefined, { rows: [] }, [{ answer: 5 }], 'a'])
      expect(await codes(sqlTransaction({ query: async () => answer })('f', 'x'))).toBe('TX_INVALID')
  })

  test.skipIf(!there)('a client of node-postgres without BEGIN, and after a failed statement', async () => {
    expect(() => sqlTransaction(admin)).toThrow('no transaction is open')
    await admin.query('BEGIN')
    await admin.query('SELECT nothing').catch(() => undefined)
    expect(await codes(sqlTransaction(admin)(keep, 'x'))).toBe('TX_ABORTED')
    await admin.query('ROLLBACK')
  })

  // TypeORM 1.1 asks for ioredis 5 beside it, so the real one cannot be installed here.
  test('what TypeORM has: managers and query runners with a transaction, and without', async () => {
    const query = async (_: string, [value]: readonly string[]): Promise<unknown> => [{ answer: value }]
    const manager = { query, getRepository: () => undefined, transaction: () => undefined }
    const runner = { query, isTransactionActive: true }
    for (const tx of [runner, { ...manager, queryRunner: runner }])
      expect(await sqlTransaction(tx)('f', 'x')).toBe('x')
    const idle = { query, isTransactionActive: false }
    const source = { query, createQueryRunner: () => idle }
    for (const root of [
      source,
      idle,
      manager,
      { ...manager, queryRunner: undefined },
      { ...manager, queryRunner: idle },
    ])
      expect(() => sqlTransaction(root)).toThrow('TypeORM')
  })

  test('nothing of the kind', () => {
    for (const tx of [
      undefined,
      null,
      5,
      'tx',
      {},
      () => undefined,
      { query: 5 },
      { isTransactionActive: false, query: () => 1 },
    ])
      expect(() => sqlTransaction(tx)).toThrow(expect.objectContaining({ code: 'TX_INVALID' }))
  })
})
