// Tests on the PostgreSQL server that all of them share: each in a schema of its own, which goes with the test's file.
// Where there is no server they are skipped, with the reason.
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, test } from 'vitest'
import { pgbouncerMissing, postgresMissing, postgresServerMissing, postgresUrl } from './servers.ts'

const missing = await postgresMissing()
const schemas = new Set<string>()

/** Why there is no server at `postgresUrl`; undefined where there is one. */
export const missingPostgres: string | undefined = missing

/** False where no server answers; then a skipped test in the file's place says why. */
export function hasPostgres(): boolean {
  return said('PostgreSQL', missing)
}

/** False where no server can be started. */
export function hasPostgresServer(): boolean {
  return said('a PostgreSQL server of its own', postgresServerMissing())
}

/** False where no pooler can be started. */
export function hasPgbouncer(): boolean {
  return said('a pooler', pgbouncerMissing())
}

/** A test that needs the server. */
export const postgresTest: typeof test = missing === undefined ? test : (test.skip as typeof test)

/** The name of a schema that nobody has made yet. It is dropped when the tests of the file are over. */
export function freshSchema(): string {
  const name = `test_${randomBytes(8).toString('hex')}`
  schemas.add(name)
  return name
}

/** At once: for many schemas in one file. */
async function dropSchemas(...names: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    // One statement each: the locks of many schemas do not fit into one transaction.
    for (const name of names) {
      await client.query(`DROP SCHEMA IF EXISTS "${name}" CASCADE`)
      schemas.delete(name)
    }
  } finally {
    await client.end()
  }
}

afterAll(async () => {
  if (schemas.size > 0 && missing === undefined) await dropSchemas(...schemas)
})

function said(what: string, reason: string | undefined): boolean {
  if (reason !== undefined) test.skip(`${what} (${reason})`, () => undefined)
  return reason === undefined
}
