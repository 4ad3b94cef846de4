import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, expect } from 'vitest'
import { missingPostgres, postgresTest } from '../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../test/support/servers.ts'

const database = `shop_${randomBytes(6).toString('hex')}`

async function onServer(statement: string): Promise<void> {
  if (missingPostgres !== undefined) return
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  await client.query(statement)
  await client.end()
}

beforeAll(() => onServer(`CREATE DATABASE ${database}`))
afterAll(() => onServer(`DROP DATABASE ${database} WITH (FORCE)`))

postgresTest('what was refused left no job, and what failed before its commit was booked once', async () => {
  const url = new URL(postgresUrl)
  url.pathname = `/${database}`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('./shop.ts', import.meta.url))],
    { env: { ...process.env, DATABASE_URL: url.href }, timeout: 30_000 },
  )
  expect(stdout).toBe('refused: an order costs something\njobs: 2, booked: 42\n')
})
